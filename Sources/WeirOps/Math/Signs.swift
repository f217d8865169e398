public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The absolute value. (The name `abs` would hide Swift's function in this extension.)
    static let absOp = unary("Abs", MathTypes.signed, cpu: .signed, gpu: .signed) {
        .floating(vector: Functions.Abs.self, $0) ?? .integer(Functions.Abs.self, $0)
    }
    .cuda(floating: "fabs(x)", integer: "x < 0 ? negative(x) : x")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Sign", g.inputs[0]))] }

    /// The negation.
    static let neg = unary(
        "Neg", MathTypes.signedOrComplex, cpu: [.signed, .complex], gpu: [.signed, .complex]
    ) {
        .floating(vector: Functions.Negate.self, $0) ?? .integer(Functions.Negate.self, $0)
            ?? .complex(ComplexFunctions.Negate.self, $0)
    }
    .cuda(floating: "-x", integer: "negative(x)", complex: "-x")
    .simplified(.selfInverse)
    .sharding(ShardingRule.linearElementwise)
    .gradient { g in [g.op("Neg", g.gradient())] }

    /// The sign: -1, 0 or 1. For complex numbers `x /
    /// x
    /// `, or 0.
    static let sign = unary(
        "Sign", MathTypes.signedOrComplex, cpu: [.signed, .complex], gpu: [.signed, .complex]
    ) {
        .floating(vector: Functions.Sign.self, $0) ?? .integer(Functions.Sign.self, $0)
            ?? .complex(ComplexFunctions.Sign.self, $0)
    }
    .cuda { attributes in
        guard let type = attributes.type("T") else { return nil }
        if type.isComplex {
            return "hypot((double)x.re, (double)x.im) == 0 ? number<C>(0) : narrow<C>(narrow<complex128>(x) / hypot((double)x.re, (double)x.im))"
        }
        return type.isFloating ? "x > 0 ? (C)1 : x < 0 ? (C)-1 : x != x ? x : (C)0" : "sign(x)"
    }
    .gradient { g in [g.op("ZerosLike", g.inputs[0])] }
}

extension Functions {
    enum Abs: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { x.magnitude }
        static func apply<E: IntegerElement>(_ x: E) -> E { x < 0 ? 0 &- x : x }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.absolute(x) }
    }
    enum Negate: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { -x }
        static func apply<E: IntegerElement>(_ x: E) -> E { 0 &- x }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.negated(x) }
    }
    enum Sign: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { x > 0 ? 1 : x < 0 ? -1 : x.isNaN ? x : 0 }
        static func apply<E: IntegerElement>(_ x: E) -> E { x > 0 ? 1 : x < 0 ? 0 &- 1 : 0 }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> {
            let zeroOrNaN = x.replacing(with: 0, where: x .== 0)
            return zeroOrNaN.replacing(with: 1, where: x .> 0).replacing(with: -1, where: x .< 0)
        }
    }
}

extension Output {
    /// Returns the negation of each element (Neg).
    public static prefix func - (x: Output) -> Output { x.builder.add("Neg", [x])[0] }
    /// Returns the absolute value of each element (Abs).
    public func abs() -> Output { builder.add("Abs", [self])[0] }
    /// Returns the sign of each element: -1, 0 or 1 (Sign).
    public func sign() -> Output { builder.add("Sign", [self])[0] }
}
