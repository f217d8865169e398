import WeirKernels
import WeirTensor

/// One element of a variable and of its slots (momenta, accumulators), in the type that the update is computed in.
struct UpdateState<C: MathScalar> {
    var v: C
    var a: C
    var b: C
    var c: C
}

/// An optimizer's update formula for one element. Dense and sparse updates, references and resources share it.
protocol UpdateRule: Sendable {
    /// The number of slots besides the variable. They are `a`, `b` and `c` of the state, in this order.
    static var slotCount: Int { get }
    /// Computes values that are the same for all elements, once per update.
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>)
    /// Updates one element and its slots by the gradient `g`.
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>)
    /// The same in CUDA C++ (`CUDAUpdateRule`), where scalars have the names of the op's inputs, such as `h.beta1_power`, and the flags
    /// are `uses_nesterov`, `updates_slots` and `multiplies_linear`. Nil for a rule without a GPU kernel.
    static var cuda: CUDAUpdateRule? { get }

    /// The rule for hyperparameters that this rule, a faster special case, does not cover.
    associatedtype General: UpdateRule = Self
    /// Whether this rule covers the hyperparameters; otherwise `General` is used.
    static func applies<C: MathScalar>(_ h: HyperParameters<C>) -> Bool
}

extension UpdateRule {
    @inline(__always) static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) {}
    @inline(__always) static func applies<C: MathScalar>(_ h: HyperParameters<C>) -> Bool { true }
    static var cuda: CUDAUpdateRule? { nil }
}

/// The scalar inputs of a training op, named like the op's inputs, and its flags.
struct HyperParameters<C: MathScalar> {
    var lr: C = 0
    var alpha: C = 0
    var rho: C = 0
    var momentum: C = 0
    var epsilon: C = 0
    var l1: C = 0
    var l2: C = 0
    var l2Shrinkage: C = 0
    var lrPower: C = 0
    var beta: C = 0
    var beta1: C = 0
    var beta2: C = 0
    var beta1Power: C = 0
    var beta2Power: C = 0
    var logbase: C = 0
    var signDecay: C = 0
    var globalStep: C = 0
    /// Values that `prepare` computes; their meaning depends on the rule.
    var derived: C = 0
    var derived2: C = 0

    var usesNesterov = false
    var updatesSlots = true
    var multipliesLinear = false

    mutating func set(_ name: HyperParameterName, _ value: C) {
        switch name {
        case .lr: lr = value
        case .alpha: alpha = value
        case .rho: rho = value
        case .momentum: momentum = value
        case .epsilon: epsilon = value
        case .l1: l1 = value
        case .l2: l2 = value
        case .l2Shrinkage: l2Shrinkage = value
        case .lrPower: lrPower = value
        case .beta: beta = value
        case .beta1: beta1 = value
        case .beta2: beta2 = value
        case .beta1Power: beta1Power = value
        case .beta2Power: beta2Power = value
        case .logbase: logbase = value
        case .signDecay: signDecay = value
        case .globalStep: globalStep = value
        }
    }
}

/// The names of the scalar inputs.
enum HyperParameterName: String, Sendable, CaseIterable {
    case lr, alpha, rho, momentum, epsilon, l1, l2, beta, beta1, beta2, logbase
    case l2Shrinkage = "l2_shrinkage"
    case lrPower = "lr_power"
    case beta1Power = "beta1_power"
    case beta2Power = "beta2_power"
    case signDecay = "sign_decay"
    case globalStep = "global_step"

    /// The name in TensorFlow's error messages.
    var label: String {
        switch self {
        case .l1: "l1 regularization strength"
        case .l2: "l2 regularization strength"
        case .l2Shrinkage: "l2 shrinkage regularization strength"
        default: rawValue
        }
    }
}

/// Returns −1, 0 or 1. NaN gives 0.
@inline(__always)
func signOf<C: MathScalar>(_ x: C) -> C { x > 0 ? 1 : (x < 0 ? -1 : 0) }

/// Moves `x` toward zero by `amount`, but not beyond zero (soft thresholding).
@inline(__always)
func shrunk<C: MathScalar>(_ x: C, by amount: C) -> C {
    let rest = abs(x) - amount
    return signOf(x) * (rest > 0 ? rest : 0)
}
