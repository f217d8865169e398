public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The square of x.
    static let square = unary(
        "Square",
        "T: {bfloat16, half, float, double, int8, int16, int32, int64, uint8, uint16, uint32, uint64, complex64, complex128}",
        cpu: .numeric, gpu: .real
    ) {
        .floating(vector: Functions.Square.self, $0) ?? .integer(Functions.Square.self, $0)
            ?? .complex(ComplexFunctions.Square.self, $0)
    }
    .cuda("x * x")
    .gradient { g in
        let x = g.conjugate(g.inputs[0])
        return [g.op("Mul", g.gradient(), g.op("Mul", x, g.scalar(2, like: x)))]
    }

    /// The square root.
    static let sqrt = unary("Sqrt", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Sqrt.self, $0) ?? .complex(ComplexFunctions.Sqrt.self, $0)
    }
    .cuda("sqrt(x)")
    .gradient { g in [g.op("SqrtGrad", g.outputs[0], g.gradient())] }

    /// The reciprocal of the square root.
    static let rsqrt = unary("Rsqrt", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Rsqrt.self, $0) ?? .complex(ComplexFunctions.Rsqrt.self, $0)
    }
    .cuda("(C)1 / sqrt(x)")
    .gradient { g in [g.op("RsqrtGrad", g.outputs[0], g.gradient())] }

    /// The reciprocal, `1 / x`.
    static let reciprocal = reciprocalOp("Reciprocal", gradient: "ReciprocalGrad")
    /// Deprecated name of `Reciprocal`.
    static let inv = reciprocalOp("Inv", gradient: "InvGrad")

    private static func reciprocalOp(_ name: String, gradient: String) -> OpDefinition {
        unary(name, MathTypes.signedOrComplex, cpu: .floatingOrComplex, gpu: [.floatingOrComplex, DTypeSet(.int64)]) {
            .floating(vector: Functions.Reciprocal.self, $0) ?? .integer(Functions.Reciprocal.self, $0)
                ?? .complex(ComplexFunctions.Reciprocal.self, $0)
        }
        .cuda(floating: "(C)1 / x", integer: "quotient((C)1, x)", complex: "number<C>(1) / x")
        .gradient { g in [g.op(gradient, g.outputs[0], g.gradient())] }
    }
}

extension Functions {
    enum Square: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { x * x }
        static func apply<E: IntegerElement>(_ x: E) -> E { x &* x }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { x * x }
    }
    enum Sqrt: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { x.squareRoot() }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { x.squareRoot() }
    }
    enum Rsqrt: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { 1 / x.squareRoot() }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { 1 / x.squareRoot() }
    }
    enum Reciprocal: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { 1 / x }
        /// As on a GPU: 0 for all integers but 1 and -1. For 0 a GPU's result is undefined; here it is 0.
        static func apply<E: IntegerElement>(_ x: E) -> E { x == 0 ? 0 : E.one.dividedReportingOverflow(by: x).partialValue }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { 1 / x }
    }
}

extension Output {
    /// Returns the square of each element.
    public func square() -> Output { builder.add("Square", [self])[0] }
    /// Returns the square root of each element.
    public func sqrt() -> Output { builder.add("Sqrt", [self])[0] }
    /// Returns the reciprocal of the square root of each element.
    public func rsqrt() -> Output { builder.add("Rsqrt", [self])[0] }
    /// Returns the reciprocal of each element.
    public func reciprocal() -> Output { builder.add("Reciprocal", [self])[0] }
}
