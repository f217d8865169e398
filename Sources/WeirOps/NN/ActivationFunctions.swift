import WeirKernels
import WeirTensor

/// An activation function, of eight floats at once and of one double.
protocol Activation: Sendable {
    /// The least number of elements worth a task on another thread.
    var grain: Int { get }
    func vector(_ x: VectorMath.Vector) -> VectorMath.Vector
    func scalar(_ x: Double) -> Double
    /// The function of x in CUDA C++, in type C.
    var cuda: String { get }
}

/// The gradient of an activation function, computed from the output's gradient and the function's input or output.
protocol ActivationGradient: Sendable {
    var grain: Int { get }
    func vector(_ gradient: VectorMath.Vector, _ value: VectorMath.Vector) -> VectorMath.Vector
    func scalar(_ gradient: Double, _ value: Double) -> Double
    /// The gradient of output's gradient x and value y in CUDA C++, in type C.
    var cudaGradient: String { get }
}

/// The grain of functions that compute exponentials, in elements.
let activationGrain = 1 << 15
/// The grain of functions that cost no more than reading and writing memory, in elements.
let cheapGrain = 1 << 17

extension Activation { var grain: Int { activationGrain } }
extension ActivationGradient { var grain: Int { cheapGrain } }

private typealias V = VectorMath.Vector

// All of them propagate NaN, as in TensorFlow.

struct ReluFunction: Activation, ActivationGradient {
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x.replacing(with: 0, where: x .<= 0) }
    func scalar(_ x: Double) -> Double { x <= 0 ? 0 : x }
    // A product, not a selection: an infinite gradient of a non-positive input gives NaN, as in TensorFlow.
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector { g * V.zero.replacing(with: 1, where: x .> 0) }
    func scalar(_ g: Double, _ x: Double) -> Double { g * (x > 0 ? 1 : 0) }
    var cuda: String { "x <= (C)0 ? (C)0 : x" }
    var cudaGradient: String { "x * (C)(y > (C)0)" }
}

struct Relu6Function: Activation, ActivationGradient {
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        x.replacing(with: 0, where: x .<= 0).replacing(with: 6, where: x .> 6)
    }
    func scalar(_ x: Double) -> Double { x <= 0 ? 0 : x > 6 ? 6 : x }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector {
        g * V.zero.replacing(with: 1, where: (x .> 0) .& (x .< 6))
    }
    func scalar(_ g: Double, _ x: Double) -> Double { g * (x > 0 && x < 6 ? 1 : 0) }
    var cuda: String { "x <= (C)0 ? (C)0 : (x > (C)6 ? (C)6 : x)" }
    var cudaGradient: String { "x * (C)(y > (C)0 && y < (C)6)" }
}

struct LeakyReluFunction: Activation, ActivationGradient {
    var alpha: Float
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { (x * alpha).replacing(with: x, where: x .> 0) }
    func scalar(_ x: Double) -> Double { x > 0 ? x : x * Double(alpha) }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector { (g * alpha).replacing(with: g, where: x .> 0) }
    func scalar(_ g: Double, _ x: Double) -> Double { x > 0 ? g : g * Double(alpha) }
    var cuda: String { "x > 0 ? x : x * (C)\(Double(alpha).cudaLiteral)" }
    var cudaGradient: String { "y > 0 ? x : x * (C)\(Double(alpha).cudaLiteral)" }
}

/// ELU. The gradient takes the function's output.
struct EluFunction: Activation, ActivationGradient {
    var grain: Int { activationGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x.replacing(with: VectorMath.expm1(x), where: x .< 0) }
    func scalar(_ x: Double) -> Double { x < 0 ? Double.expm1(x) : x }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ y: VectorMath.Vector) -> VectorMath.Vector { g.replacing(with: (y + 1) * g, where: y .< 0) }
    func scalar(_ g: Double, _ y: Double) -> Double { y < 0 ? (y + 1) * g : g }
    var cuda: String { "x < 0 ? expm1(x) : x" }
    var cudaGradient: String { "y < 0 ? (y + 1) * x : x" }
}

/// SELU. The gradient takes the function's output.
struct SeluFunction: Activation, ActivationGradient {
    var grain: Int { activationGrain }
    private static let scale = 1.0507009873554804934193349852946
    private static let scaleAlpha = 1.7580993408473768599402175208123
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        (x * Float(Self.scale)).replacing(with: VectorMath.expm1(x) * Float(Self.scaleAlpha), where: x .< 0)
    }
    func scalar(_ x: Double) -> Double { x < 0 ? Self.scaleAlpha * Double.expm1(x) : Self.scale * x }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ y: VectorMath.Vector) -> VectorMath.Vector {
        (g * Float(Self.scale)).replacing(with: g * (y + Float(Self.scaleAlpha)), where: y .< 0)
    }
    func scalar(_ g: Double, _ y: Double) -> Double { y < 0 ? g * (y + Self.scaleAlpha) : g * Self.scale }
    var cuda: String { "x < 0 ? (C)\(Self.scaleAlpha) * expm1(x) : (C)\(Self.scale) * x" }
    var cudaGradient: String { "y < 0 ? x * (y + (C)\(Self.scaleAlpha)) : x * (C)\(Self.scale)" }
}

/// Softplus, `log(exp(x) + 1)`. For large `x` this is `x` itself.
struct SoftplusFunction: Activation, ActivationGradient {
    var grain: Int { activationGrain }
    // -(log(epsilon) + 2), as in TensorFlow. Above this limit the result is `x`, and below its negation `exp(x)`, within
    // rounding.
    private static let floatLimit: Float = 13.942385
    private static let doubleLimit = 34.043653
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        let exponential = VectorMath.exp(x)
        return VectorMath.log1p(exponential)
            .replacing(with: exponential, where: x .< -Self.floatLimit).replacing(with: x, where: x .> Self.floatLimit)
    }
    func scalar(_ x: Double) -> Double {
        if x > Self.doubleLimit { return x }
        return x < -Self.doubleLimit ? Double.exp(x) : Double.log1p(Double.exp(x))
    }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector { g / (VectorMath.exp(-x) + 1) }
    func scalar(_ g: Double, _ x: Double) -> Double { g / (Double.exp(-x) + 1) }
    var cuda: String {
        "x > (sizeof(C) == 8 ? (C)\(Self.doubleLimit) : (C)\(Self.floatLimit)) ? x : (x < -(sizeof(C) == 8 ? (C)\(Self.doubleLimit) : (C)\(Self.floatLimit)) ? exp(x) : log1p(exp(x)))"
    }
    var cudaGradient: String { "x / (exp(-y) + 1)" }
}

/// Softsign, `x / (
/// x
/// + 1)`.
struct SoftsignFunction: Activation, ActivationGradient {
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x / (VectorMath.absolute(x) + 1) }
    func scalar(_ x: Double) -> Double { x / (abs(x) + 1) }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector {
        let sum = VectorMath.absolute(x) + 1
        return g / (sum * sum)
    }
    func scalar(_ g: Double, _ x: Double) -> Double { g / ((abs(x) + 1) * (abs(x) + 1)) }
    var cuda: String { "x / (fabs(x) + 1)" }
    var cudaGradient: String { "x / ((fabs(y) + 1) * (fabs(y) + 1))" }
}

/// Tanh as the activation of fused ops. The op `Tanh` is a math op.
struct TanhFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { VectorMath.tanh(x) }
    func scalar(_ x: Double) -> Double { Double.tanh(x) }
    var cuda: String { "tanh(x)" }
}
/// The logistic function as the activation of fused ops. The op `Sigmoid` is a math op.
struct SigmoidFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { VectorMath.sigmoid(x) }
    func scalar(_ x: Double) -> Double { 1 / (1 + Double.exp(-x)) }
    var cuda: String { "(C)1 / ((C)1 + exp(-x))" }
}
/// GELU, `x · Φ(x)`, with Φ approximated by a hyperbolic tangent.
struct ApproximateGeluFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        let inner = (x * x * x * 0.044715 + x) * 0.7978845608028654
        return x * 0.5 * (VectorMath.tanh(inner) + 1)
    }
    func scalar(_ x: Double) -> Double { 0.5 * x * (1 + Double.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) }
    var cuda: String { "(C)0.5 * x * ((C)1 + tanh((C)0.7978845608028654 * (x + (C)0.044715 * x * x * x)))" }
}
/// GELU, `x · Φ(x)`, where Φ is the normal distribution function.
struct GeluFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        var result = V.zero
        for lane in 0..<V.scalarCount { result[lane] = 0.5 * x[lane] * (1 + Float.erf(x[lane] * 0.70710678)) }
        return result
    }
    func scalar(_ x: Double) -> Double { 0.5 * x * (1 + Double.erf(x * 0.7071067811865476)) }
    var cuda: String { "(C)0.5 * x * ((C)1 + erf(x * (C)0.7071067811865476))" }
}
