import Glibc
import WeirKernels
import WeirTensor

// Complex functions by their standard formulas in double precision. The formulas avoid overflow and cancellation where the
// result is finite and accurate. Branch cuts are those of C.

enum ComplexFunctions {
    typealias Value = Complex128

    static func exp(_ z: Value) -> Value {
        let scale = Glibc.exp(z.real)
        return z.imaginary == 0 ? Value(scale, z.imaginary) : Value(scale * cos(z.imaginary), scale * sin(z.imaginary))
    }
    static func log(_ z: Value) -> Value { Value(logMagnitude(z), atan2(z.imaginary, z.real)) }
    private static func logMagnitude(_ z: Value) -> Double {
        let (large, small) = (max(abs(z.real), abs(z.imaginary)), min(abs(z.real), abs(z.imaginary)))
        // Uses log1p near 1: there the logarithm is small, and the rounding error of the magnitude would dominate it.
        if large > 0.5, large < 2 { return 0.5 * Glibc.log1p((large - 1) * (large + 1) + small * small) }
        return Glibc.log(hypot(z.real, z.imaginary))
    }
    static func sqrt(_ z: Value) -> Value {
        if z.real == 0, z.imaginary == 0 { return Value(0, z.imaginary) }
        if z.imaginary.isInfinite { return Value(.infinity, z.imaginary) }
        // Works on halves, so that the magnitude cannot overflow.
        let half = (0.5 * (abs(z.real) * 0.5 + hypot(z.real * 0.5, z.imaginary * 0.5)))
        let root = (half * 2).squareRoot()
        if z.real >= 0 { return Value(root, z.imaginary / (2 * root)) }
        return Value(abs(z.imaginary) / (2 * root), copysign(root, z.imaginary))
    }
    static func sinh(_ z: Value) -> Value {
        Value(Glibc.sinh(z.real) * cos(z.imaginary), Glibc.cosh(z.real) * sin(z.imaginary))
    }
    static func cosh(_ z: Value) -> Value {
        Value(Glibc.cosh(z.real) * cos(z.imaginary), Glibc.sinh(z.real) * sin(z.imaginary))
    }
    static func tanh(_ z: Value) -> Value {
        if abs(z.real) > 22 {
            return Value(copysign(1, z.real), 4 * sin(z.imaginary) * cos(z.imaginary) * Glibc.exp(-2 * abs(z.real)))
        }
        let tangent = tan(z.imaginary)
        let sine = Glibc.sinh(z.real)
        let cosine = (1 + sine * sine).squareRoot()
        let beta = 1 + tangent * tangent
        let scale = 1 + beta * sine * sine
        return Value(beta * cosine * sine / scale, tangent / scale)
    }
    static func asin(_ z: Value) -> Value {
        let (a, b) = (sqrt(Value(1) - z), sqrt(Value(1) + z))
        return Value(atan2(z.real, (a * b).real), Glibc.asinh((a.conjugate * b).imaginary))
    }
    static func acos(_ z: Value) -> Value {
        let (a, b) = (sqrt(Value(1) - z), sqrt(Value(1) + z))
        return Value(2 * atan2(a.real, b.real), Glibc.asinh((b.conjugate * a).imaginary))
    }
    static func acosh(_ z: Value) -> Value {
        let (a, b) = (sqrt(z - Value(1)), sqrt(z + Value(1)))
        return Value(Glibc.asinh((a.conjugate * b).real), 2 * atan2(a.imaginary, b.real))
    }
    static func atanh(_ z: Value) -> Value {
        let square = z.imaginary * z.imaginary
        let less = 1 - z.real
        return Value(
            0.25 * Glibc.log1p(4 * z.real / (less * less + square)),
            0.5 * atan2(2 * z.imaginary, less * (1 + z.real) - square))
    }
    static func pow(_ z: Value, _ w: Value) -> Value {
        if w == Value(0) { return Value(1) }
        if z == Value(0) { return w.real > 0 ? Value(0) : Value(.nan, .nan) }
        return exp(w * log(z))
    }
    /// Returns -i · f(i · z), which turns a hyperbolic function into its circular one.
    static func rotated(_ z: Value, _ f: (Value) -> Value) -> Value {
        let w = f(Value(-z.imaginary, z.real))
        return Value(w.imaginary, -w.real)
    }
}

extension ComplexFunctions {
    enum Exp: ComplexFunction { static func apply(_ z: Value) -> Value { exp(z) } }
    enum Expm1: ComplexFunction {
        static func apply(_ z: Value) -> Value {
            let half = sin(0.5 * z.imaginary)
            return Value(Glibc.expm1(z.real) * cos(z.imaginary) - 2 * half * half, Glibc.exp(z.real) * sin(z.imaginary))
        }
    }
    enum Log: ComplexFunction { static func apply(_ z: Value) -> Value { log(z) } }
    enum Log1p: ComplexFunction {
        static func apply(_ z: Value) -> Value {
            if abs(z.real) > 0.5 || abs(z.imaginary) > 0.5 { return log(Value(1 + z.real, z.imaginary)) }
            return Value(
                0.5 * Glibc.log1p(z.real * (2 + z.real) + z.imaginary * z.imaginary), atan2(z.imaginary, 1 + z.real))
        }
    }
    enum Sqrt: ComplexFunction { static func apply(_ z: Value) -> Value { sqrt(z) } }
    enum Rsqrt: ComplexFunction { static func apply(_ z: Value) -> Value { Value(1) / sqrt(z) } }
    enum Reciprocal: ComplexFunction { static func apply(_ z: Value) -> Value { Value(1) / z } }
    enum Square: ComplexFunction { static func apply(_ z: Value) -> Value { z * z } }
    enum Negate: ComplexFunction { static func apply(_ z: Value) -> Value { -z } }
    enum Conjugate: ComplexFunction { static func apply(_ z: Value) -> Value { z.conjugate } }
    enum Sign: ComplexFunction {
        static func apply(_ z: Value) -> Value {
            let magnitude = hypot(z.real, z.imaginary)
            return magnitude == 0 ? Value(0) : Value(z.real / magnitude, z.imaginary / magnitude)
        }
    }
    enum Sin: ComplexFunction { static func apply(_ z: Value) -> Value { rotated(z, sinh) } }
    enum Cos: ComplexFunction { static func apply(_ z: Value) -> Value { cosh(Value(-z.imaginary, z.real)) } }
    enum Tan: ComplexFunction { static func apply(_ z: Value) -> Value { rotated(z, tanh) } }
    enum Asin: ComplexFunction { static func apply(_ z: Value) -> Value { asin(z) } }
    enum Acos: ComplexFunction { static func apply(_ z: Value) -> Value { acos(z) } }
    enum Atan: ComplexFunction { static func apply(_ z: Value) -> Value { rotated(z, atanh) } }
    enum Sinh: ComplexFunction { static func apply(_ z: Value) -> Value { sinh(z) } }
    enum Cosh: ComplexFunction { static func apply(_ z: Value) -> Value { cosh(z) } }
    enum Tanh: ComplexFunction { static func apply(_ z: Value) -> Value { tanh(z) } }
    enum Asinh: ComplexFunction { static func apply(_ z: Value) -> Value { rotated(z, asin) } }
    enum Acosh: ComplexFunction { static func apply(_ z: Value) -> Value { acosh(z) } }
    enum Atanh: ComplexFunction { static func apply(_ z: Value) -> Value { atanh(z) } }
    enum Sigmoid: ComplexFunction { static func apply(_ z: Value) -> Value { Value(1) / (Value(1) + exp(-z)) } }
}
