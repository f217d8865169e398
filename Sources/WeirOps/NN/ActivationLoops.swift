import WeirGraph
import WeirKernels
import WeirTensor

// Loops of activations over whole buffers, for each floating-point type. Floats are processed eight at a time; the 16-bit
// floats are converted to floats.

extension Activation {
    /// Writes the function of `x[range]` to `out[range]`. `out` may be the same memory as `x`.
    func apply<E: FloatingElement>(_ x: UnsafeBufferPointer<E>, _ out: UnsafeMutableBufferPointer<E>, _ range: Range<Int>) {
        if E.self == Float.self {
            let x = unsafeBitCast(x, to: UnsafeBufferPointer<Float>.self).start + range.lowerBound
            let out = unsafeBitCast(out, to: UnsafeMutableBufferPointer<Float>.self).start + range.lowerBound
            VectorMath.map(x, out, range.count) { vector($0) }
        } else if E.self == Double.self {
            for index in range { out[index] = E(number: scalar(x[index].number)) }
        } else {
            var index = range.lowerBound
            while index < range.upperBound {
                let count = min(8, range.upperBound &- index)
                store(vector(load(x, index, count)), out, index, count)
                index &+= 8
            }
        }
    }
    /// Applies the function to floats in place.
    func apply(inPlace values: UnsafeMutableBufferPointer<Float>) {
        VectorMath.map(UnsafePointer(values.start), values.start, values.count) { vector($0) }
    }
}

extension ActivationGradient {
    /// Writes the gradient of `range` to `out[range]`. `out` may be the same memory as either input.
    func apply<E: FloatingElement>(
        _ gradient: UnsafeBufferPointer<E>, _ value: UnsafeBufferPointer<E>, _ out: UnsafeMutableBufferPointer<E>,
        _ range: Range<Int>
    ) {
        if E.self == Double.self {
            for index in range { out[index] = E(number: scalar(gradient[index].number, value[index].number)) }
            return
        }
        var index = range.lowerBound
        if E.self == Float.self {
            let (gradients, values) = (UnsafeRawPointer(gradient.start), UnsafeRawPointer(value.start))
            while index &+ 8 <= range.upperBound {
                let result = vector(
                    gradients.loadUnaligned(fromByteOffset: index &* 4, as: VectorMath.Vector.self),
                    values.loadUnaligned(fromByteOffset: index &* 4, as: VectorMath.Vector.self))
                UnsafeMutableRawPointer(out.start).storeBytes(of: result, toByteOffset: index &* 4, as: VectorMath.Vector.self)
                index &+= 8
            }
        }
        while index < range.upperBound {
            let count = min(8, range.upperBound &- index)
            store(vector(load(gradient, index, count), load(value, index, count)), out, index, count)
            index &+= 8
        }
    }
}

extension OpDefinition {
    /// Declares that the op applies an activation to each float32 element.
    func elementwise(_ function: some Activation) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32 else { return nil }
            return .unary(isExpensive: function.grain <= activationGrain) { x, out, count in
                VectorMath.map(x.assumingMemoryBound(to: Float.self), out.assumingMemoryBound(to: Float.self), count) { function.vector($0) }
            }
        }
    }
    /// Declares that the op applies an activation's gradient to each pair of float32 elements.
    func elementwise(gradient function: some ActivationGradient) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32 else { return nil }
            return .binary(.same) { gradient, value, out, count, _ in
                VectorMath.map(
                    gradient.assumingMemoryBound(to: Float.self), value.assumingMemoryBound(to: Float.self),
                    out.assumingMemoryBound(to: Float.self), count
                ) { function.vector($0, $1) }
            }
        }
    }
}

@inline(__always)
private func load<E: FloatingElement>(_ x: UnsafeBufferPointer<E>, _ start: Int, _ count: Int) -> VectorMath.Vector {
    var result = VectorMath.Vector(repeating: 1)
    if count == 8 {
        for lane in 0..<8 { result[lane] = Float(x[start &+ lane].compute) }
    } else {
        for lane in 0..<count { result[lane] = Float(x[start &+ lane].compute) }
    }
    return result
}

@inline(__always)
private func store<E: FloatingElement>(
    _ vector: VectorMath.Vector, _ out: UnsafeMutableBufferPointer<E>, _ start: Int, _ count: Int
) {
    if count == 8 {
        for lane in 0..<8 { out[start &+ lane] = E(compute: E.Compute(vector[lane])) }
    } else {
        for lane in 0..<count { out[start &+ lane] = E(compute: E.Compute(vector[lane])) }
    }
}
