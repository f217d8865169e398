public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Gradient descent with momentum on a variable.
    static let applyMomentum = training(
        "ApplyMomentum",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, momentum: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Momentum.self)
    /// Gradient descent with momentum on a variable behind a handle.
    static let resourceApplyMomentum = training(
        "ResourceApplyMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: Momentum.self)
    /// Gradient descent with momentum on a variable, rows of it.
    static let sparseApplyMomentum = training(
        "SparseApplyMomentum",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, indices: Tindices, momentum: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Momentum.self, gpu: false)
    /// Gradient descent with momentum on a variable behind a handle, rows of it.
    static let resourceSparseApplyMomentum = training(
        "ResourceSparseApplyMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: Momentum.self, gpu: false)
    /// Momentum on a variable behind a handle, where the rate is part of what is kept.
    static let resourceApplyKerasMomentum = training(
        "ResourceApplyKerasMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: KerasMomentum.self)
    /// Momentum on a variable behind a handle, where the rate is part of what is kept, rows of it.
    static let resourceSparseApplyKerasMomentum = training(
        "ResourceSparseApplyKerasMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: KerasMomentum.self)
}

/// Along a decaying sum of the gradients, or, as Nesterov has it, a step further along it.
enum Momentum: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.momentum + g
        x.v -= h.usesNesterov ? g * h.lr + x.a * h.momentum * h.lr : x.a * h.lr
    }
}

/// The same where the sum is one of steps, not of gradients.
enum KerasMomentum: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.momentum - g * h.lr
        x.v += h.usesNesterov ? x.a * h.momentum - g * h.lr : x.a
    }
}

extension Output {
    /// Gradient descent with momentum on the variable that this reference or handle is.
    ///
    /// - Parameter slot: the variable that keeps the momentum, a reference or handle as this is.
    @discardableResult
    public func applyMomentum(
        slot: Output, rate: Output, gradient: Output, momentum: Output, nesterov: Bool = false
    ) -> Operation {
        builder.add(
            isReference ? "ApplyMomentum" : "ResourceApplyMomentum", [self, slot, rate, gradient, momentum],
            attributes: ["use_nesterov": .bool(nesterov)])
    }
}
