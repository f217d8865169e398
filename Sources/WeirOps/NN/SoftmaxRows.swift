import WeirKernels
import WeirTensor

/// An element type that softmax is computed in; 16-bit floats are widened first.
///
/// Each call processes one row. `out` may be the same memory as `x`.
protocol SoftmaxElement: FloatingElement {
    static func maximum(_ x: UnsafePointer<Self>, _ count: Int) -> Self
    /// Writes `exp(x - offset)` to `out` and returns its sum.
    static func exponentials(_ x: UnsafePointer<Self>, _ offset: Self, _ out: UnsafeMutablePointer<Self>, _ count: Int) -> Self
    /// Returns the sum of `exp(x - offset)`.
    static func exponentialSum(_ x: UnsafePointer<Self>, _ offset: Self, _ count: Int) -> Self
    static func logarithm(_ x: Self) -> Self
}

extension Double: SoftmaxElement {
    static func maximum(_ x: UnsafePointer<Double>, _ count: Int) -> Double {
        var result = -Double.infinity
        for index in 0..<count where x[index] > result { result = x[index] }
        return result
    }
    static func exponentials(_ x: UnsafePointer<Double>, _ offset: Double, _ out: UnsafeMutablePointer<Double>, _ count: Int) -> Double {
        var sum = 0.0
        for index in 0..<count {
            out[index] = Double.exp(x[index] - offset)
            sum += out[index]
        }
        return sum
    }
    static func exponentialSum(_ x: UnsafePointer<Double>, _ offset: Double, _ count: Int) -> Double {
        var sum = 0.0
        for index in 0..<count { sum += Double.exp(x[index] - offset) }
        return sum
    }
    static func logarithm(_ x: Double) -> Double { Double.log(x) }
}

extension Float: SoftmaxElement {
    private typealias V = VectorMath.Vector

    /// Loads eight elements from `index` on. Missing elements are `-infinity`, which changes neither a maximum nor a sum of
    /// exponentials.
    @inline(__always)
    private static func load(_ x: UnsafePointer<Float>, _ index: Int, _ count: Int) -> VectorMath.Vector {
        if index &+ 8 <= count { return UnsafeRawPointer(x + index).loadUnaligned(as: V.self) }
        var result = V(repeating: -.infinity)
        switch count &- index {
        case 1: result[0] = x[index]
        case 2: result.lowHalf.lowHalf = pair(x + index)
        case 3:
            result.lowHalf.lowHalf = pair(x + index)
            result[2] = x[index &+ 2]
        case let rest:
            result.lowHalf = UnsafeRawPointer(x + index).loadUnaligned(as: SIMD4<Float>.self)
            for lane in 4..<rest { result[lane] = x[index &+ lane] }
        }
        return result
    }
    @inline(__always)
    private static func pair(_ x: UnsafePointer<Float>) -> SIMD2<Float> { UnsafeRawPointer(x).loadUnaligned(as: SIMD2<Float>.self) }

    @inline(__always)
    private static func store(_ value: VectorMath.Vector, _ out: UnsafeMutablePointer<Float>, _ index: Int, _ count: Int) {
        let target = UnsafeMutableRawPointer(out + index)
        switch count &- index {
        case 1: out[index] = value[0]
        case 2: target.storeBytes(of: value.lowHalf.lowHalf, as: SIMD2<Float>.self)
        case 3:
            target.storeBytes(of: value.lowHalf.lowHalf, as: SIMD2<Float>.self)
            out[index &+ 2] = value[2]
        case 4...7:
            target.storeBytes(of: value.lowHalf, as: SIMD4<Float>.self)
            for lane in 4..<count &- index { out[index &+ lane] = value[lane] }
        default: target.storeBytes(of: value, as: V.self)
        }
    }

    static func maximum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        var largest = V(repeating: -.infinity)
        var index = 0
        while index < count {
            let next = load(x, index, count)
            largest.replace(with: next, where: next .> largest)
            index &+= 8
        }
        return largest.max()
    }
    static func exponentials(_ x: UnsafePointer<Float>, _ offset: Float, _ out: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
        var sum = V.zero
        var index = 0
        while index < count {
            let value = VectorMath.exp(load(x, index, count) - offset)
            sum += value
            store(value, out, index, count)
            index &+= 8
        }
        return sum.sum()
    }
    static func exponentialSum(_ x: UnsafePointer<Float>, _ offset: Float, _ count: Int) -> Float {
        var sum = V.zero
        var index = 0
        while index < count {
            sum += VectorMath.exp(load(x, index, count) - offset)
            index &+= 8
        }
        return sum.sum()
    }
    static func logarithm(_ x: Float) -> Float { Float.log(x) }
}
