public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// RMSProp on a variable.
    static let applyRMSProp = training(
        "ApplyRMSProp",
        "(var: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> (out: Ref(T))",
        rule: RMSProp.self)
    /// RMSProp on a variable behind a handle.
    static let resourceApplyRMSProp = training(
        "ResourceApplyRMSProp",
        "(var: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> ()",
        rule: RMSProp.self)
    /// RMSProp on a variable, rows of it.
    static let sparseApplyRMSProp = training(
        "SparseApplyRMSProp",
        "(var: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> (out: Ref(T))",
        rule: RMSProp.self, gpu: false)
    /// RMSProp on a variable behind a handle, rows of it.
    static let resourceSparseApplyRMSProp = training(
        "ResourceSparseApplyRMSProp",
        "(var: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> ()",
        rule: RMSProp.self, gpu: false)
    /// RMSProp by the variance of the gradients on a variable.
    static let applyCenteredRMSProp = training(
        "ApplyCenteredRMSProp",
        "(var: Ref(T), mg: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T) -> "
            + "(out: Ref(T))",
        rule: CenteredRMSProp.self)
    /// RMSProp by the variance of the gradients on a variable behind a handle.
    static let resourceApplyCenteredRMSProp = training(
        "ResourceApplyCenteredRMSProp",
        "(var: resource, mg: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, "
            + "grad: T) -> ()",
        rule: CenteredRMSProp.self)
    /// RMSProp by the variance of the gradients on a variable, rows of it.
    static let sparseApplyCenteredRMSProp = training(
        "SparseApplyCenteredRMSProp",
        "(var: Ref(T), mg: Ref(T), ms: Ref(T), mom: Ref(T), lr: T, rho: T, momentum: T, epsilon: T, grad: T, "
            + "indices: Tindices) -> (out: Ref(T))",
        rule: CenteredRMSProp.self, gpu: false)
    /// RMSProp by the variance of the gradients on a variable behind a handle, rows of it.
    static let resourceSparseApplyCenteredRMSProp = training(
        "ResourceSparseApplyCenteredRMSProp",
        "(var: resource, mg: resource, ms: resource, mom: resource, lr: T, rho: T, momentum: T, epsilon: T, "
            + "grad: T, indices: Tindices) -> ()",
        rule: CenteredRMSProp.self, gpu: false)
}

/// Over the root of the decaying mean of the squares, with momentum.
enum RMSProp: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += (g * g - x.a) * (1 - h.rho)
        x.b = x.b * h.momentum + g * h.lr / (x.a + h.epsilon).squareRoot()
        x.v -= x.b
    }
}

/// The same over the standard deviation. Slots: mean, mean of squares, momentum.
enum CenteredRMSProp: UpdateRule {
    static var slotCount: Int { 3 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.b += (g * g - x.b) * (1 - h.rho)
        x.a += (g - x.a) * (1 - h.rho)
        x.c = x.c * h.momentum + g * h.lr / (x.b - x.a * x.a + h.epsilon).squareRoot()
        x.v -= x.c
    }
}

extension Output {
    /// RMSProp on the variable that this reference or handle is; all three are references, or all handles.
    ///
    /// - Parameters:
    ///   - square: the variable that keeps the mean of the squares of the gradients.
    ///   - slot: the variable that keeps the momentum.
    @discardableResult
    public func applyRMSProp(
        square: Output, slot: Output, rate: Output, decay: Output, momentum: Output, epsilon: Output, gradient: Output
    ) -> Operation {
        builder.add(
            isReference ? "ApplyRMSProp" : "ResourceApplyRMSProp",
            [self, square, slot, rate, decay, momentum, epsilon, gradient])
    }
}
