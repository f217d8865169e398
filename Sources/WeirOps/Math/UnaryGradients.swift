import WeirGraph
import WeirKernels
import WeirTensor

// Gradient ops of unary ops in terms of the result: y is the op's output, dy the gradient of the output.

extension OpDefinition {
    /// The gradient of `Sigmoid`: `dy · y · (1 - y)`.
    static let sigmoidGrad = unaryGradient("SigmoidGrad") { .floatingOrComplex(gradient: Functions.SigmoidGradient.self, $0) }
        .cuda("y * (x * (1 - x))", .same)
        .gradient { g in
            let (y, dy) = (g.conjugate(g.inputs[0]), g.conjugate(g.inputs[1]))
            let flow = g.op("Mul", g.gradient(), dy)
            let twice = g.op("Mul", g.op("Mul", flow, g.scalar(2, like: flow)), y)
            return [g.op("Sub", flow, twice), g.op("SigmoidGrad", y, g.gradient())]
        }

    /// The gradient of `Tanh`: `dy · (1 - y²)`.
    static let tanhGrad = unaryGradient("TanhGrad") { .floatingOrComplex(gradient: Functions.TanhGradient.self, $0) }
        .cuda("y * (1 - x * x)", .same)
        .gradient { g in
            let (y, dy) = (g.conjugate(g.inputs[0]), g.conjugate(g.inputs[1]))
            let flow = g.op("Mul", g.gradient(), g.scalar(-2, like: y))
            return [g.op("Mul", g.op("Mul", flow, dy), y), g.op("TanhGrad", y, g.gradient())]
        }

    /// The gradient of `Sqrt`: `dy · 0.5 / conj(y)`.
    static let sqrtGrad = unaryGradient("SqrtGrad") { .floatingOrComplex(gradient: Functions.SqrtGradient.self, $0) }
        .cuda("y == 0 ? (C)0 : (C)0.5 * y / x", .same)
        .gradient { g in
            let ratio = g.op("RealDiv", g.gradient(), g.inputs[0])
            let first = g.op("Mul", g.op("Neg", g.conjugate(ratio)), g.outputs[0])
            return [first, g.op("Mul", g.scalar(0.5, like: ratio), ratio)]
        }

    /// The gradient of `Rsqrt`: `dy · -0.5 · conj(y)³`.
    static let rsqrtGrad = unaryGradient("RsqrtGrad") { .floatingOrComplex(gradient: Functions.RsqrtGradient.self, $0) }
        .cuda("y == 0 ? (C)0 : (C)-0.5 * (y * x) * (x * x)", .same)
        .gradient { g in
            let y = g.conjugate(g.inputs[0])
            let flow = g.op("Mul", g.op("Mul", g.scalar(-1.5, like: y), g.conjugate(g.gradient())), g.inputs[1])
            return [g.op("Mul", flow, g.op("Square", y)), g.op("RsqrtGrad", y, g.gradient())]
        }

    /// The gradient of `Reciprocal`: `dy · -conj(y)²`.
    static let reciprocalGrad = reciprocalGradOp("ReciprocalGrad")
    /// The gradient of `Inv`, the deprecated name of `Reciprocal`.
    static let invGrad = reciprocalGradOp("InvGrad")

    private static func reciprocalGradOp(_ name: String) -> OpDefinition {
        unaryGradient(name) { .floatingOrComplex(gradient: Functions.ReciprocalGradient.self, $0) }
            .cuda("y == 0 ? (C)0 : -(x * x) * y", .same)
            .gradient { g in
                let y = g.conjugate(g.inputs[0])
                let flow = g.op("Mul", g.conjugate(g.gradient()), g.scalar(-2, like: y))
                return [g.op("Mul", g.op("Mul", flow, g.inputs[1]), y), g.op(name, y, g.gradient())]
            }
    }
}

// Where the gradient of Sqrt, Rsqrt and Reciprocal is infinite, dy = 0 still gives 0 and not NaN.
extension Functions {
    enum SigmoidGradient: FloatingBinary, VectorBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ y: S, _ dy: S) -> S { dy * y * (1 - y) }
        @inline(__always) static func apply(_ y: SIMD8<Float>, _ dy: SIMD8<Float>) -> SIMD8<Float> { dy * (y * (1 - y)) }
        static func apply(_ y: Complex128, _ dy: Complex128) -> Complex128 { dy * y * (Complex128(1) - y) }
    }
    enum TanhGradient: FloatingBinary, VectorBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ y: S, _ dy: S) -> S { dy * (1 - y * y) }
        @inline(__always) static func apply(_ y: SIMD8<Float>, _ dy: SIMD8<Float>) -> SIMD8<Float> { dy * (1 - y * y) }
        static func apply(_ y: Complex128, _ dy: Complex128) -> Complex128 { dy * (Complex128(1) - y * y) }
    }
    enum SqrtGradient: FloatingBinary, VectorBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ y: S, _ dy: S) -> S { dy == 0 ? 0 : 0.5 * dy / y }
        @inline(__always) static func apply(_ y: SIMD8<Float>, _ dy: SIMD8<Float>) -> SIMD8<Float> {
            (0.5 * dy / y).replacing(with: 0, where: dy .== 0)
        }
        static func apply(_ y: Complex128, _ dy: Complex128) -> Complex128 {
            dy == Complex128(0) ? dy : Complex128(0.5) * dy / y.conjugate
        }
    }
    enum RsqrtGradient: FloatingBinary, VectorBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ y: S, _ dy: S) -> S { dy == 0 ? 0 : -0.5 * (dy * y) * (y * y) }
        @inline(__always) static func apply(_ y: SIMD8<Float>, _ dy: SIMD8<Float>) -> SIMD8<Float> {
            (-0.5 * (dy * y) * (y * y)).replacing(with: 0, where: dy .== 0)
        }
        static func apply(_ y: Complex128, _ dy: Complex128) -> Complex128 {
            let conjugate = y.conjugate
            return dy == Complex128(0) ? dy : Complex128(-0.5) * (dy * conjugate) * (conjugate * conjugate)
        }
    }
    enum ReciprocalGradient: FloatingBinary, VectorBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ y: S, _ dy: S) -> S { dy == 0 ? 0 : -(y * y) * dy }
        @inline(__always) static func apply(_ y: SIMD8<Float>, _ dy: SIMD8<Float>) -> SIMD8<Float> {
            (-(y * y) * dy).replacing(with: 0, where: dy .== 0)
        }
        static func apply(_ y: Complex128, _ dy: Complex128) -> Complex128 {
            dy == Complex128(0) ? dy : -(y.conjugate * y.conjugate) * dy
        }
    }
}
