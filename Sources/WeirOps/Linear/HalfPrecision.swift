import WeirKernels
import WeirTensor

// Kernels of the 16-bit floats widen their operands, compute with the float kernels, and round once at the end.

extension Tensor {
    /// Returns the elements of a float16 or bfloat16 tensor as floats. A float tensor returns itself.
    func widened<E: FloatingElement>(from type: E.Type) throws -> Tensor where E.Compute == Float {
        if E.self == Float.self { return self }
        let wide = try Tensor(.float32, shape)
        defer { keepAlive((self, wide)) }
        widenElements(elements(E.self), wide.mutableElements(Float.self))
        return wide
    }
    /// Rounds floats to this 16-bit float tensor.
    func narrow<E: FloatingElement>(from wide: Tensor, to type: E.Type) where E.Compute == Float {
        defer { keepAlive((self, wide)) }
        narrowElements(wide.elements(Float.self), mutableElements(E.self))
    }
}

func widenElements<E: FloatingElement>(_ source: UnsafeBufferPointer<E>, _ target: UnsafeMutableBufferPointer<Float>)
where E.Compute == Float {
    for index in 0..<min(source.count, target.count) { target[index] = source[index].compute }
}

func narrowElements<E: FloatingElement>(_ source: UnsafeBufferPointer<Float>, _ target: UnsafeMutableBufferPointer<E>)
where E.Compute == Float {
    for index in 0..<min(source.count, target.count) { target[index] = E(compute: source[index]) }
}

extension UnsafeBufferPointer {
    /// The address of the first element. For an empty buffer a valid-looking address that must not be read.
    var start: UnsafePointer<Element> { baseAddress ?? UnsafePointer(bitPattern: 64)! }
}
extension UnsafeMutableBufferPointer {
    /// The address of the first element. For an empty buffer a valid-looking address that must not be accessed.
    var start: UnsafeMutablePointer<Element> { baseAddress ?? UnsafeMutablePointer(bitPattern: 64)! }
}
