// Exponential functions of eight floats at once. Errors are within 2 units in the last place; infinities, NaNs and denormals
// follow IEEE 754. Kernels with loops of their own (softmax, activations, LSTM cells) call the vector forms; the pointer forms
// process whole buffers.

@usableFromInline package enum VectorMath {
    @usableFromInline package typealias Vector = SIMD8<Float>
    @usableFromInline typealias Bits = SIMD8<Int32>

    /// Adding and then subtracting this number rounds to an integer. The integer is in the lowest bits of the sum.
    @usableFromInline static let rounder: Float = 12_582_912  // 1.5 · 2²³
    @usableFromInline static let log2Upper: Float = 0.693359375  // ln 2 in two parts; the first is exact in 10 bits
    @usableFromInline static let log2Lower: Float = -2.12194440e-4

    /// Returns 2 to the power of each integer in -126...127.
    @inlinable @inline(__always) static func powerOfTwo(_ exponent: Bits) -> Vector {
        unsafeBitCast((exponent &+ 127) &<< 23, to: Vector.self)
    }

    /// Splits `x` into `n · ln 2 + rest` and evaluates the polynomial for `exp(rest) - 1`.
    @inlinable @inline(__always) static func split(_ x: Vector) -> (n: Bits, rounded: Vector, remainder: Vector) {
        let shifted = Vector(repeating: rounder).addingProduct(x, Vector(repeating: 1.44269504))
        let rounded = shifted - rounder
        let n = unsafeBitCast(shifted, to: Bits.self) &- Bits(repeating: Int32(bitPattern: rounder.bitPattern))
        let rest = x.addingProduct(rounded, Vector(repeating: -log2Upper)).addingProduct(rounded, Vector(repeating: -log2Lower))
        var p = Vector(repeating: 1.9898346e-4)
        p = Vector(repeating: 1.4002405e-3).addingProduct(p, rest)
        p = Vector(repeating: 8.333303e-3).addingProduct(p, rest)
        p = Vector(repeating: 4.1665442e-2).addingProduct(p, rest)
        p = Vector(repeating: 0.16666667).addingProduct(p, rest)
        p = Vector(repeating: 0.5).addingProduct(p, rest)
        return (n, rounded, rest.addingProduct(p, rest * rest))
    }

    /// Returns e to the power of x.
    @inlinable @inline(__always) package static func exp(_ x: Vector) -> Vector {
        // Clamps x: beyond these bounds the result is 0 or infinity, and the powers of two stay in range.
        var bounded = x.replacing(with: 100, where: x .> 100)
        bounded = bounded.replacing(with: -120, where: x .< -120)
        let (n, _, remainder) = split(bounded)
        // Multiplies by two factors, since 2ⁿ itself may be denormal or infinite where the product is not.
        let half = n &>> 1
        return (1 + remainder) * powerOfTwo(half) * powerOfTwo(n &- half)
    }

    /// Returns `exp(x) - 1`, accurate near 0 too.
    @inlinable @inline(__always) package static func expm1(_ x: Vector) -> Vector {
        var bounded = x.replacing(with: 100, where: x .> 100)
        bounded = bounded.replacing(with: -30, where: x .< -30)
        let (n, rounded, remainder) = split(bounded)
        let half = n &>> 1
        let (first, second) = (powerOfTwo(half), powerOfTwo(n &- half))
        let scale = first * second
        let near = (scale - 1).addingProduct(scale, remainder)
        let far = (1 + remainder) * first * second
        // Keeps -0, which the sum would turn into +0.
        return near.replacing(with: far, where: rounded .> 30).replacing(with: x, where: x .== 0)
    }

    /// Returns the natural logarithm.
    @inlinable @inline(__always) package static func log(_ x: Vector) -> Vector {
        let tiny = x .< Float.leastNormalMagnitude
        let scaled = x.replacing(with: x * 8_388_608, where: tiny)
        // Writes x as 2ⁿ · (1 + f) with 1 + f between √½ and √2.
        let bits = unsafeBitCast(scaled, to: Bits.self)
        let offset = bits &- 0x3F35_04F3
        let n = offset &>> 23
        let f = unsafeBitCast(bits &- (n &<< 23), to: Vector.self) - 1
        let exponent = Vector(n) - Vector(repeating: 0).replacing(with: 23, where: tiny)
        var p = Vector(repeating: 6.9278106e-2)
        p = Vector(repeating: -0.11808455).addingProduct(p, f)
        p = Vector(repeating: 0.11877302).addingProduct(p, f)
        p = Vector(repeating: -0.12381657).addingProduct(p, f)
        p = Vector(repeating: 0.1421779).addingProduct(p, f)
        p = Vector(repeating: -0.16669369).addingProduct(p, f)
        p = Vector(repeating: 0.2000227).addingProduct(p, f)
        p = Vector(repeating: -0.24999985).addingProduct(p, f)
        p = Vector(repeating: 0.3333331).addingProduct(p, f)
        let square = f * f
        var small = (exponent * log2Lower).addingProduct(p * f, square)
        small = small.addingProduct(square, Vector(repeating: -0.5))
        var result = (f + small).addingProduct(exponent, Vector(repeating: log2Upper))
        result = result.replacing(with: x, where: x .== .infinity)
        result = result.replacing(with: -.infinity, where: x .== 0)
        return result.replacing(with: .nan, where: .!(x .>= 0))
    }

    /// Returns `log(1 + x)`, accurate near 0 too.
    @inlinable @inline(__always) package static func log1p(_ x: Vector) -> Vector {
        let sum = 1 + x
        // Corrects the rounding error of `1 + x`: the lost part, divided by the sum, is added to the logarithm of the sum.
        let lost = x - (sum - 1)
        let result = log(sum) + lost / sum
        return result.replacing(with: log(sum), where: (sum .== 0) .| (x .== .infinity)).replacing(with: x, where: x .== 0)
    }

    /// Returns the hyperbolic tangent.
    @inlinable @inline(__always) package static func tanh(_ x: Vector) -> Vector {
        let magnitude = absolute(x)
        let square = x * x
        var p = Vector(repeating: -5.7170456e-3)
        p = Vector(repeating: 2.0650588e-2).addingProduct(p, square)
        p = Vector(repeating: -5.3743497e-2).addingProduct(p, square)
        p = Vector(repeating: 0.13331491).addingProduct(p, square)
        p = Vector(repeating: -0.33333284).addingProduct(p, square)
        let near = magnitude.addingProduct(p * square, magnitude)
        let far = 1 - 2 / (exp(magnitude + magnitude) + 1)
        return withSign(of: x, near.replacing(with: far, where: magnitude .> 0.625))
    }

    /// Returns the logistic function, `1 / (1 + exp(-x))`.
    @inlinable @inline(__always) package static func sigmoid(_ x: Vector) -> Vector {
        let small = exp(-absolute(x))
        let positive = 1 / (1 + small)
        // Equals small / (1 + small), in a form that avoids the rounding error of the denominator.
        let negative = small.addingProduct(-small, small * positive)
        return positive.replacing(with: negative, where: x .< 0)
    }

    /// Returns the error function.
    @inlinable @inline(__always) package static func erf(_ x: Vector) -> Vector {
        let magnitude = absolute(x)
        // Near 0 a polynomial in the square. Elsewhere 1 - exp(p), where the polynomial p approximates log(erfc(
        // x
        // )).
        let square = x * x
        var near = Vector(repeating: 8.372559e-5)
        near = Vector(repeating: -8.143284e-4).addingProduct(near, square)
        near = Vector(repeating: 5.201083e-3).addingProduct(near, square)
        near = Vector(repeating: -2.685942e-2).addingProduct(near, square)
        near = Vector(repeating: 0.11283696).addingProduct(near, square)
        near = Vector(repeating: -0.37612635).addingProduct(near, square)
        near = Vector(repeating: 0.12837917).addingProduct(near, square)
        near = magnitude.addingProduct(magnitude, near)
        let bounded = magnitude.replacing(with: 4, where: magnitude .> 4)
        var far = Vector(repeating: -2.1102249e-5)
        far = Vector(repeating: 4.345459e-4).addingProduct(far, bounded)
        far = Vector(repeating: -4.1714665e-3).addingProduct(far, bounded)
        far = Vector(repeating: 2.5120491e-2).addingProduct(far, bounded)
        far = Vector(repeating: -0.10828173).addingProduct(far, bounded)
        far = Vector(repeating: -0.6333454).addingProduct(far, bounded)
        far = Vector(repeating: -1.1295156).addingProduct(far, bounded)
        far = Vector(repeating: 1.7483812e-4).addingProduct(far, bounded)
        return withSign(of: x, near.replacing(with: 1 - exp(far), where: magnitude .> 0.9215))
    }

    @inlinable @inline(__always) package static func absolute(_ x: Vector) -> Vector {
        unsafeBitCast(unsafeBitCast(x, to: Bits.self) & 0x7FFF_FFFF, to: Vector.self)
    }
    /// Returns the negation, with the sign of zeros flipped too. Swift's `-` of vectors is `0 - x`.
    @inlinable @inline(__always) package static func negated(_ x: Vector) -> Vector {
        unsafeBitCast(unsafeBitCast(x, to: Bits.self) ^ Bits(repeating: Int32.min), to: Vector.self)
    }
    @inlinable @inline(__always) static func withSign(of x: Vector, _ magnitude: Vector) -> Vector {
        let sign = unsafeBitCast(x, to: Bits.self) & Bits(repeating: Int32.min)
        return unsafeBitCast(unsafeBitCast(magnitude, to: Bits.self) | sign, to: Vector.self)
    }
}

// Functions on whole buffers. `x` and `out` may be the same memory.
extension VectorMath {
    /// Applies a function of eight floats to `count` floats.
    @inline(__always)
    @inlinable package static func map(
        _ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int, _ function: (Vector) -> Vector
    ) {
        let width = Vector.scalarCount
        let (source, target) = (UnsafeRawPointer(x), UnsafeMutableRawPointer(out))
        var index = 0
        while index &+ width <= count {
            let vector = source.loadUnaligned(fromByteOffset: index &* 4, as: Vector.self)
            target.storeBytes(of: function(vector), toByteOffset: index &* 4, as: Vector.self)
            index &+= width
        }
        guard index < count else { return }
        var rest = Vector(repeating: 1)
        for lane in 0..<count &- index { rest[lane] = x[index &+ lane] }
        let result = function(rest)
        for lane in 0..<count &- index { out[index &+ lane] = result[lane] }
    }

    @inlinable package static func exp(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { exp($0) } }
    @inlinable package static func expm1(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { expm1($0) } }
    @inlinable package static func log(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { log($0) } }
    @inlinable package static func log1p(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { log1p($0) } }
    @inlinable package static func tanh(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { tanh($0) } }
    @inlinable package static func sigmoid(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { sigmoid($0) } }
    @inlinable package static func erf(_ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) { map(x, out, count) { erf($0) } }
}
