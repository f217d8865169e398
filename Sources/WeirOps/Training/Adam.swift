public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adam on a reference variable.
    static let applyAdam = training(
        "ApplyAdam",
        "(var: Ref(T), m: Ref(T), v: Ref(T), beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, epsilon: "
            + "T, grad: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Adam.self)
    /// Adam on a resource variable.
    static let resourceApplyAdam = training(
        "ResourceApplyAdam",
        "(var: resource, m: resource, v: resource, beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, "
            + "epsilon: T, grad: T) -> ()",
        "use_nesterov: bool = false",
        rule: Adam.self)
    /// Adam with the AMSGrad correction on a resource variable.
    static let resourceApplyAdamWithAmsgrad = training(
        "ResourceApplyAdamWithAmsgrad",
        "(var: resource, m: resource, v: resource, vhat: resource, beta1_power: T, beta2_power: T, lr: T, beta1: "
            + "T, beta2: T, epsilon: T, grad: T) -> ()",
        rule: AdamWithAmsgrad.self)
    /// AdaMax on a reference variable.
    static let applyAdaMax = training(
        "ApplyAdaMax",
        "(var: Ref(T), m: Ref(T), v: Ref(T), beta1_power: T, lr: T, beta1: T, beta2: T, epsilon: T, grad: T) -> "
            + "(out: Ref(T))",
        rule: AdaMax.self)
    /// AdaMax on a resource variable.
    static let resourceApplyAdaMax = training(
        "ResourceApplyAdaMax",
        "(var: resource, m: resource, v: resource, beta1_power: T, lr: T, beta1: T, beta2: T, epsilon: T, grad: "
            + "T) -> ()",
        rule: AdaMax.self)
}

/// Adam (Kingma and Ba, 2015): the step is the decaying mean of the gradients over the root of the decaying mean of their
/// squares. Slots: the two means.
enum Adam: UpdateRule {
    static var slotCount: Int { 2 }
    /// Computes the learning rate with the bias correction for means that start at zero.
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
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 2, prepare: "h.derived = h.lr * sqrt(1 - h.beta2_power) / (1 - h.beta1_power);",
            update: """
                x.a += (g - x.a) * (1 - h.beta1);
                x.b += (g * g - x.b) * (1 - h.beta2);
                C mean = uses_nesterov ? g * (1 - h.beta1) + h.beta1 * x.a : x.a;
                x.v -= mean * h.derived / (sqrt(x.b) + h.epsilon);
                """)
    }
}

/// Adam with AMSGrad: the denominator is the root of the largest mean of squares so far. Slots: mean, mean of squares, its
/// maximum.
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
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 3, prepare: "h.derived = h.lr * sqrt(1 - h.beta2_power) / (1 - h.beta1_power);",
            update: """
                x.a += (g - x.a) * (1 - h.beta1);
                x.b += (g * g - x.b) * (1 - h.beta2);
                x.c = x.c < x.b ? x.b : x.c;
                x.v -= x.a * h.derived / (sqrt(x.c) + h.epsilon);
                """)
    }
}

/// AdaMax: the denominator is the decaying maximum of the gradients' magnitudes instead of a root mean square. Slots: mean,
/// maximum.
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
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 2, prepare: "h.derived = h.lr / (1 - h.beta1_power);",
            update: """
                x.a += (g - x.a) * (1 - h.beta1);
                C decayed = h.beta2 * x.b;
                x.b = decayed < fabs(g) ? fabs(g) : decayed;
                x.v -= h.derived * (x.a / (x.b + h.epsilon));
                """)
    }
}

extension Output {
    /// Applies Adam to the variable behind this reference or handle. This output and both slots are all references or all
    /// handles.
    ///
    /// - Parameters:
    /// - mean: the variable with the mean of the gradients.
    /// - square: the variable with the mean of the squared gradients.
    /// - powers: beta1 and beta2 to the power of the step number.
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
