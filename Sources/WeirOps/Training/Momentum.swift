public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Gradient descent with momentum on a reference variable.
    static let applyMomentum = training(
        "ApplyMomentum",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, momentum: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Momentum.self)
    /// Gradient descent with momentum on a resource variable.
    static let resourceApplyMomentum = training(
        "ResourceApplyMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: Momentum.self)
    /// Gradient descent with momentum on rows of a reference variable.
    static let sparseApplyMomentum = training(
        "SparseApplyMomentum",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, indices: Tindices, momentum: T) -> (out: Ref(T))",
        "use_nesterov: bool = false",
        rule: Momentum.self, gpu: false)
    /// Gradient descent with momentum on rows of a resource variable.
    static let resourceSparseApplyMomentum = training(
        "ResourceSparseApplyMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: Momentum.self, gpu: false)
    /// Keras momentum on a resource variable; the slot includes the learning rate.
    static let resourceApplyKerasMomentum = training(
        "ResourceApplyKerasMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: KerasMomentum.self)
    /// Keras momentum on rows of a resource variable; the slot includes the learning rate.
    static let resourceSparseApplyKerasMomentum = training(
        "ResourceSparseApplyKerasMomentum",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices, momentum: T) -> ()",
        "use_nesterov: bool = false",
        rule: KerasMomentum.self)
}

/// Gradient descent with momentum, optionally Nesterov's. Slot: decaying sum of the gradients.
enum Momentum: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.momentum + g
        x.v -= h.usesNesterov ? g * h.lr + x.a * h.momentum * h.lr : x.a * h.lr
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1,
            update: """
                x.a = x.a * h.momentum + g;
                x.v -= uses_nesterov ? g * h.lr + x.a * h.momentum * h.lr : x.a * h.lr;
                """)
    }
}

/// Keras momentum. Slot: decaying sum of the steps, which include the learning rate.
enum KerasMomentum: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.momentum - g * h.lr
        x.v += h.usesNesterov ? x.a * h.momentum - g * h.lr : x.a
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1,
            update: """
                x.a = x.a * h.momentum - g * h.lr;
                x.v += uses_nesterov ? x.a * h.momentum - g * h.lr : x.a;
                """)
    }
}

extension Output {
    /// Applies gradient descent with momentum to the variable behind this reference or handle.
    ///
    /// - Parameter slot: the variable with the momentum; a reference or handle like this output.
    @discardableResult
    public func applyMomentum(
        slot: Output, rate: Output, gradient: Output, momentum: Output, nesterov: Bool = false
    ) -> Operation {
        builder.add(
            isReference ? "ApplyMomentum" : "ResourceApplyMomentum", [self, slot, rate, gradient, momentum],
            attributes: ["use_nesterov": .bool(nesterov)])
    }
}
