public import Glibc

/// The types that floating-point functions are computed in: Float and Double.
@usableFromInline package protocol MathScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable, SIMDScalar {
    static func exp(_ x: Self) -> Self
    static func expm1(_ x: Self) -> Self
    static func log(_ x: Self) -> Self
    static func log1p(_ x: Self) -> Self
    static func sin(_ x: Self) -> Self
    static func cos(_ x: Self) -> Self
    static func tan(_ x: Self) -> Self
    static func asin(_ x: Self) -> Self
    static func acos(_ x: Self) -> Self
    static func atan(_ x: Self) -> Self
    static func sinh(_ x: Self) -> Self
    static func cosh(_ x: Self) -> Self
    static func tanh(_ x: Self) -> Self
    static func asinh(_ x: Self) -> Self
    static func acosh(_ x: Self) -> Self
    static func atanh(_ x: Self) -> Self
    static func erf(_ x: Self) -> Self
    static func erfc(_ x: Self) -> Self
    static func lgamma(_ x: Self) -> Self
    static func pow(_ x: Self, _ y: Self) -> Self
    static func atan2(_ y: Self, _ x: Self) -> Self
    static func fmod(_ x: Self, _ y: Self) -> Self
    static func nextafter(_ x: Self, _ y: Self) -> Self
}

extension Float: MathScalar {
    @inlinable package static func exp(_ x: Float) -> Float { Glibc.expf(x) }
    @inlinable package static func expm1(_ x: Float) -> Float { Glibc.expm1f(x) }
    @inlinable package static func log(_ x: Float) -> Float { Glibc.logf(x) }
    @inlinable package static func log1p(_ x: Float) -> Float { Glibc.log1pf(x) }
    @inlinable package static func sin(_ x: Float) -> Float { Glibc.sinf(x) }
    @inlinable package static func cos(_ x: Float) -> Float { Glibc.cosf(x) }
    @inlinable package static func tan(_ x: Float) -> Float { Glibc.tanf(x) }
    @inlinable package static func asin(_ x: Float) -> Float { Glibc.asinf(x) }
    @inlinable package static func acos(_ x: Float) -> Float { Glibc.acosf(x) }
    @inlinable package static func atan(_ x: Float) -> Float { Glibc.atanf(x) }
    @inlinable package static func sinh(_ x: Float) -> Float { Glibc.sinhf(x) }
    @inlinable package static func cosh(_ x: Float) -> Float { Glibc.coshf(x) }
    @inlinable package static func tanh(_ x: Float) -> Float { Glibc.tanhf(x) }
    @inlinable package static func asinh(_ x: Float) -> Float { Glibc.asinhf(x) }
    @inlinable package static func acosh(_ x: Float) -> Float { Glibc.acoshf(x) }
    @inlinable package static func atanh(_ x: Float) -> Float { Glibc.atanhf(x) }
    @inlinable package static func erf(_ x: Float) -> Float { Glibc.erff(x) }
    @inlinable package static func erfc(_ x: Float) -> Float { Glibc.erfcf(x) }
    @inlinable package static func lgamma(_ x: Float) -> Float { Glibc.lgammaf(x) }
    @inlinable package static func pow(_ x: Float, _ y: Float) -> Float { Glibc.powf(x, y) }
    @inlinable package static func atan2(_ y: Float, _ x: Float) -> Float { Glibc.atan2f(y, x) }
    @inlinable package static func fmod(_ x: Float, _ y: Float) -> Float { Glibc.fmodf(x, y) }
    @inlinable package static func nextafter(_ x: Float, _ y: Float) -> Float { Glibc.nextafterf(x, y) }
}

extension Double: MathScalar {
    @inlinable package static func exp(_ x: Double) -> Double { Glibc.exp(x) }
    @inlinable package static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
    @inlinable package static func log(_ x: Double) -> Double { Glibc.log(x) }
    @inlinable package static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
    @inlinable package static func sin(_ x: Double) -> Double { Glibc.sin(x) }
    @inlinable package static func cos(_ x: Double) -> Double { Glibc.cos(x) }
    @inlinable package static func tan(_ x: Double) -> Double { Glibc.tan(x) }
    @inlinable package static func asin(_ x: Double) -> Double { Glibc.asin(x) }
    @inlinable package static func acos(_ x: Double) -> Double { Glibc.acos(x) }
    @inlinable package static func atan(_ x: Double) -> Double { Glibc.atan(x) }
    @inlinable package static func sinh(_ x: Double) -> Double { Glibc.sinh(x) }
    @inlinable package static func cosh(_ x: Double) -> Double { Glibc.cosh(x) }
    @inlinable package static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
    @inlinable package static func asinh(_ x: Double) -> Double { Glibc.asinh(x) }
    @inlinable package static func acosh(_ x: Double) -> Double { Glibc.acosh(x) }
    @inlinable package static func atanh(_ x: Double) -> Double { Glibc.atanh(x) }
    @inlinable package static func erf(_ x: Double) -> Double { Glibc.erf(x) }
    @inlinable package static func erfc(_ x: Double) -> Double { Glibc.erfc(x) }
    @inlinable package static func lgamma(_ x: Double) -> Double { Glibc.lgamma(x) }
    @inlinable package static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
    @inlinable package static func atan2(_ y: Double, _ x: Double) -> Double { Glibc.atan2(y, x) }
    @inlinable package static func fmod(_ x: Double, _ y: Double) -> Double { Glibc.fmod(x, y) }
    @inlinable package static func nextafter(_ x: Double, _ y: Double) -> Double { Glibc.nextafter(x, y) }
}
