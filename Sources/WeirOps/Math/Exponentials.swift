public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// e to the power of x.
    static let exp = unary("Exp", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(vector: Functions.Exp.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Exp.self, $0)
    }
    .cuda(unary: "exp")
    .gradient { g in [g.op("Mul", g.gradient(), g.conjugate(g.outputs[0]))] }

    /// `exp(x) - 1`, accurate near 0 too.
    static let expm1 = unary("Expm1", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Expm1.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Expm1.self, $0)
    }
    .cuda("expm1(x)")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Exp", g.conjugate(g.inputs[0])))] }

    /// The natural logarithm.
    static let log = unary("Log", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Log.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Log.self, $0)
    }
    .cuda("log(x)")
    .gradient { g in [g.op("Mul", g.gradient(), g.op("Reciprocal", g.conjugate(g.inputs[0])))] }

    /// `log(1 + x)`, accurate near 0 too.
    static let log1p = unary("Log1p", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Log1p.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Log1p.self, $0)
    }
    .cuda("log1p(x)")
    .gradient { g in
        let x = g.conjugate(g.inputs[0])
        return [g.op("Mul", g.gradient(), g.op("Reciprocal", g.op("AddV2", g.scalar(1, like: x), x)))]
    }

    /// The hyperbolic tangent.
    static let tanh = unary("Tanh", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Tanh.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Tanh.self, $0)
    }
    .cuda("tanh(x)")
    .fusing(as: .activation)
    .gradient { g in [g.op("TanhGrad", g.conjugate(g.outputs[0]), g.gradient())] }

    /// The logistic function, `1 / (1 + exp(-x))`.
    static let sigmoid = unary("Sigmoid", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floating) {
        .floating(vector: Functions.Sigmoid.self, $0, grain: Grain.expensive) ?? .complex(ComplexFunctions.Sigmoid.self, $0)
    }
    .cuda("sigmoid(x)")
    .fusing(as: .activation)
    .gradient { g in [g.op("SigmoidGrad", g.conjugate(g.outputs[0]), g.gradient())] }
}

extension Functions {
    enum Exp: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.exp(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.exp(x) }
    }
    enum Expm1: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.expm1(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.expm1(x) }
    }
    enum Log: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.log(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.log(x) }
    }
    enum Log1p: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.log1p(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.log1p(x) }
    }
    enum Tanh: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { S.tanh(x) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.tanh(x) }
    }
    enum Sigmoid: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S {
            let small = S.exp(-x.magnitude)
            return x < 0 ? small / (1 + small) : 1 / (1 + small)
        }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.sigmoid(x) }
    }
}

extension Output {
    /// Returns e to the power of each element.
    public func exp() -> Output { builder.add("Exp", [self])[0] }
    /// Returns the natural logarithm of each element.
    public func log() -> Output { builder.add("Log", [self])[0] }
    /// Returns `log(1 + x)` of each element.
    public func log1p() -> Output { builder.add("Log1p", [self])[0] }
    /// Returns the hyperbolic tangent of each element.
    public func tanh() -> Output { builder.add("Tanh", [self])[0] }
    /// Returns the logistic function of each element.
    public func sigmoid() -> Output { builder.add("Sigmoid", [self])[0] }
}
