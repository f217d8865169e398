public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// RMSProp on a reference variable.
    static let applyRMSProp = training(
        "ApplyRMSProp",
        "(var: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> (out: Ref(T))",
        rule: RMSProp.self)
    /// RMSProp on a resource variable.
    static let resourceApplyRMSProp = training(
        "ResourceApplyRMSProp",
        "(var: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> ()",
        rule: RMSProp.self)
    /// RMSProp on rows of a reference variable.
    static let sparseApplyRMSProp = training(
        "SparseApplyRMSProp",
        "(var: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> (out: Ref(T))",
        rule: RMSProp.self, gpu: false)
    /// RMSProp on rows of a resource variable.
    static let resourceSparseApplyRMSProp = training(
        "ResourceSparseApplyRMSProp",
        "(var: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> ()",
        rule: RMSProp.self, gpu: false)
    /// Centered RMSProp on a reference variable.
    static let applyCenteredRMSProp = training(
        "ApplyCenteredRMSProp",
        "(var: Ref(T), mg: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> "
            + "(out: Ref(T))",
        rule: CenteredRMSProp.self)
    /// Centered RMSProp on a resource variable.
    static let resourceApplyCenteredRMSProp = training(
        "ResourceApplyCenteredRMSProp",
        "(var: resource, mg: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, "
            + "grad: T) -> ()",
        rule: CenteredRMSProp.self)
    /// Centered RMSProp on rows of a reference variable.
    static let sparseApplyCenteredRMSProp = training(
        "SparseApplyCenteredRMSProp",
        "(var: Ref(T), mg: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T, "
            + "indices: Tindices) -> (out: Ref(T))",
        rule: CenteredRMSProp.self, gpu: false)
    /// Centered RMSProp on rows of a resource variable.
    static let resourceSparseApplyCenteredRMSProp = training(
        "ResourceSparseApplyCenteredRMSProp",
        "(var: resource, mg: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, "
            + "grad: T, indices: Tindices) -> ()",
        rule: CenteredRMSProp.self, gpu: false)
}

/// RMSProp: the gradient over the root of the decaying mean of its squares, with momentum. Slots: mean of squares, momentum.
enum RMSProp: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += (g * g - x.a) * (1 - h.rho)
        x.b = x.b * h.momentum + g * h.lr / (x.a + h.epsilon).squareRoot()
        x.v -= x.b
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 2,
            update: """
                x.a += (g * g - x.a) * (1 - h.rho);
                x.b = x.b * h.momentum + g * h.lr / sqrt(x.a + h.epsilon);
                x.v -= x.b;
                """)
    }
}

/// Centered RMSProp: divides by the standard deviation of the gradients. Slots: mean, mean of squares, momentum.
enum CenteredRMSProp: UpdateRule {
    static var slotCount: Int { 3 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.b += (g * g - x.b) * (1 - h.rho)
        x.a += (g - x.a) * (1 - h.rho)
        x.c = x.c * h.momentum + g * h.lr / (x.b - x.a * x.a + h.epsilon).squareRoot()
        x.v -= x.c
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 3,
            update: """
                x.b += (g * g - x.b) * (1 - h.rho);
                x.a += (g - x.a) * (1 - h.rho);
                x.c = x.c * h.momentum + g * h.lr / sqrt(x.b - x.a * x.a + h.epsilon);
                x.v -= x.c;
                """)
    }
}

extension Output {
    /// Applies RMSProp to the variable behind this reference or handle. This output and both slots are all references or all
    /// handles.
    ///
    /// - Parameters:
    /// - square: the variable with the mean of the squared gradients.
    /// - slot: the variable with the momentum.
    @discardableResult
    public func applyRMSProp(
        square: Output, slot: Output, rate: Output, decay: Output, momentum: Output, epsilon: Output, gradient: Output
    ) -> Operation {
        builder.add(
            isReference ? "ApplyRMSProp" : "ResourceApplyRMSProp",
            [self, square, slot, rate, decay, momentum, epsilon, gradient])
    }
}
