import WeirKernels
import WeirTensor

/// A function of one float, eight at a time, and of one double.
protocol Activation: Sendable {
    /// How many elements are worth a thread's while.
    var grain: Int { get }
    func vector(_ x: VectorMath.Vector) -> VectorMath.Vector
    func scalar(_ x: Double) -> Double
}

/// Its gradient: from what flows back and the value that it depends on, the input's or the output's.
protocol ActivationGradient: Sendable {
    var grain: Int { get }
    func vector(_ gradient: VectorMath.Vector, _ value: VectorMath.Vector) -> VectorMath.Vector
    func scalar(_ gradient: Double, _ value: Double) -> Double
}

/// Elements of a function that reckons exponentials which are worth a thread's while.
let activationGrain = 1 << 15
/// The same for functions that cost no more than reading and writing memory.
let cheapGrain = 1 << 17

extension Activation { var grain: Int { activationGrain } }
extension ActivationGradient { var grain: Int { cheapGrain } }

private typealias V = VectorMath.Vector

// NaNs pass through all of them, as they do in TensorFlow.

struct ReluFunction: Activation, ActivationGradient {
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x.replacing(with: 0, where: x .<= 0) }
    func scalar(_ x: Double) -> Double { x <= 0 ? 0 : x }
    // A product, not a choice: an infinite gradient of a negative value is NaN.
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector { g * V.zero.replacing(with: 1, where: x .> 0) }
    func scalar(_ g: Double, _ x: Double) -> Double { g * (x > 0 ? 1 : 0) }
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
}

struct LeakyReluFunction: Activation, ActivationGradient {
    var alpha: Float
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { (x * alpha).replacing(with: x, where: x .> 0) }
    func scalar(_ x: Double) -> Double { x > 0 ? x : x * Double(alpha) }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector { (g * alpha).replacing(with: g, where: x .> 0) }
    func scalar(_ g: Double, _ x: Double) -> Double { x > 0 ? g : g * Double(alpha) }
}

/// The gradient takes the function's output.
struct EluFunction: Activation, ActivationGradient {
    var grain: Int { activationGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x.replacing(with: VectorMath.expm1(x), where: x .< 0) }
    func scalar(_ x: Double) -> Double { x < 0 ? Double.expm1(x) : x }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ y: VectorMath.Vector) -> VectorMath.Vector { g.replacing(with: (y + 1) * g, where: y .< 0) }
    func scalar(_ g: Double, _ y: Double) -> Double { y < 0 ? (y + 1) * g : g }
}

/// The gradient takes the function's output.
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
}

/// `log(exp(x) + 1)`, which is `x` itself where the 1 no longer counts.
struct SoftplusFunction: Activation, ActivationGradient {
    var grain: Int { activationGrain }
    // log of the smallest number that changes 1, and 2 more.
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
}

/// `x / (|x| + 1)`.
struct SoftsignFunction: Activation, ActivationGradient {
    var grain: Int { cheapGrain }
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x / (VectorMath.absolute(x) + 1) }
    func scalar(_ x: Double) -> Double { x / (abs(x) + 1) }
    @inline(__always) func vector(_ g: VectorMath.Vector, _ x: VectorMath.Vector) -> VectorMath.Vector {
        let sum = VectorMath.absolute(x) + 1
        return g / (sum * sum)
    }
    func scalar(_ g: Double, _ x: Double) -> Double { g / ((abs(x) + 1) * (abs(x) + 1)) }
}

/// Those that only fused ops have; the others' ops are mathematics.
struct TanhFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { VectorMath.tanh(x) }
    func scalar(_ x: Double) -> Double { Double.tanh(x) }
}
struct SigmoidFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { VectorMath.sigmoid(x) }
    func scalar(_ x: Double) -> Double { 1 / (1 + Double.exp(-x)) }
}
/// `x · Φ(x)`, with Φ's approximation by a hyperbolic tangent.
struct ApproximateGeluFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        let inner = (x * x * x * 0.044715 + x) * 0.7978845608028654
        return x * 0.5 * (VectorMath.tanh(inner) + 1)
    }
    func scalar(_ x: Double) -> Double { 0.5 * x * (1 + Double.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) }
}
/// `x · Φ(x)`.
struct GeluFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector {
        var result = V.zero
        for lane in 0..<V.scalarCount { result[lane] = 0.5 * x[lane] * (1 + Float.erf(x[lane] * 0.70710678)) }
        return result
    }
    func scalar(_ x: Double) -> Double { 0.5 * x * (1 + Double.erf(x * 0.7071067811865476)) }
}
