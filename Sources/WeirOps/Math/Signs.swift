public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// x without its sign. (`abs` would hide the function of that name wherever ops are defined.)
    static let absOp = unary("Abs", MathTypes.signed, cpu: .signed, gpu: .signed) {
        .floating(vector: Functions.Abs.self, $0) ?? .integer(Functions.Abs.self, $0)
    }
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Sign", g.inputs[0]))] }

    /// x with the other sign.
    static let neg = unary(
        "Neg", MathTypes.signedOrComplex, cpu: [.signed, .complex], gpu: [.signed, .complex]
    ) {
        .floating(vector: Functions.Negate.self, $0) ?? .integer(Functions.Negate.self, $0)
            ?? .complex(ComplexFunctions.Negate.self, $0)
    }
    .simplified(.selfInverse)
    .gradient { g in [g.op("Neg", g.gradient())] }

    /// -1, 0 or 1; of a complex number, the number of magnitude 1 in its direction.
    static let sign = unary(
        "Sign", MathTypes.signedOrComplex, cpu: [.signed, .complex], gpu: [.signed, .complex]
    ) {
        .floating(vector: Functions.Sign.self, $0) ?? .integer(Functions.Sign.self, $0)
            ?? .complex(ComplexFunctions.Sign.self, $0)
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
    /// Each element with the other sign.
    public static prefix func - (x: Output) -> Output { x.builder.add("Neg", [x])[0] }
    /// Each element without its sign.
    public func abs() -> Output { builder.add("Abs", [self])[0] }
    /// -1, 0 or 1 for each element.
    public func sign() -> Output { builder.add("Sign", [self])[0] }
}
