public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adam on a variable.
    static let applyAdam = training(
        "ApplyAdam",
        "(var: Ref(T), m: Ref(T), v: Ref(T), beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, epsilon: "
            + "T, grad: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Adam.self)
    /// Adam on a variable behind a handle.
    static let resourceApplyAdam = training(
        "ResourceApplyAdam",
        "(var: resource, m: resource, v: resource, beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, "
            + "epsilon: T, grad: T) -> ()",
        "use_nesterov: bool = false",
        rule: Adam.self)
    /// Adam with the AMSGrad correction on a variable behind a handle.
    static let resourceApplyAdamWithAmsgrad = training(
        "ResourceApplyAdamWithAmsgrad",
        "(var: resource, m: resource, v: resource, vhat: resource, beta1_power: T, beta2_power: T, lr: T, beta1: "
            + "T, beta2: T, epsilon: T, grad: T) -> ()",
        rule: AdamWithAmsgrad.self)
    /// AdaMax on a variable.
    static let applyAdaMax = training(
        "ApplyAdaMax",
        "(var: Ref(T), m: Ref(T), v: Ref(T), beta1_power: T, lr: T, beta1: T, beta2: T, epsilon: T, grad: T) -> "
            + "(out: Ref(T))",
        rule: AdaMax.self)
    /// AdaMax on a variable behind a handle.
    static let resourceApplyAdaMax = training(
        "ResourceApplyAdaMax",
        "(var: resource, m: resource, v: resource, beta1_power: T, lr: T, beta1: T, beta2: T, epsilon: T, grad: "
            + "T) -> ()",
        rule: AdaMax.self)
}

/// Along the decaying mean of the gradients, over the root of that of their squares.
enum Adam: UpdateRule {
    static var slotCount: Int { 2 }
    /// The rate, corrected for means that began at zero.
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) {
        h.derived = h.lr * (1 - h.beta2Power).squareRoot() / (1 - h.beta1Power)
    }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += (g - x.a) * (1 - h.beta1)
        x.b += (g * g - x.b) * (1 - h.beta2)
        let mean = h.usesNesterov ? g * (1 - h.beta1) + h.beta1 * x.a : x.a
        x.v -= mean * h.derived / (x.b.squareRoot() + h.epsilon)
    }
}

/// The same over the largest root there was.
enum AdamWithAmsgrad: UpdateRule {
    static var slotCount: Int { 3 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) { Adam.prepare(&h) }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += (g - x.a) * (1 - h.beta1)
        x.b += (g * g - x.b) * (1 - h.beta2)
        x.c = x.c < x.b ? x.b : x.c
        x.v -= x.a * h.derived / (x.c.squareRoot() + h.epsilon)
    }
}

/// Over the largest gradient, which decays, instead of the root.
enum AdaMax: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) { h.derived = h.lr / (1 - h.beta1Power) }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += (g - x.a) * (1 - h.beta1)
        let decayed = h.beta2 * x.b
        x.b = decayed < abs(g) ? abs(g) : decayed
        x.v -= h.derived * (x.a / (x.b + h.epsilon))
    }
}

extension Output {
    /// Adam on the variable that this reference or handle is; all three are references, or all handles.
    ///
    /// - Parameters:
    ///   - mean: the variable that keeps the mean of the gradients.
    ///   - square: the variable that keeps the mean of their squares.
    ///   - powers: both betas to the power of the step.
    @discardableResult
    public func applyAdam(
        mean: Output, square: Output, powers: (Output, Output), rate: Output, betas: (Output, Output), epsilon: Output,
        gradient: Output
    ) -> Operation {
        builder.add(
            isReference ? "ApplyAdam" : "ResourceApplyAdam",
            [self, mean, square, powers.0, powers.1, rate, betas.0, betas.1, epsilon, gradient])
    }
}
