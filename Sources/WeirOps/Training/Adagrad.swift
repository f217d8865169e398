public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adagrad on a reference variable.
    static let applyAdagrad = training(
        "ApplyAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on a resource variable.
    static let resourceApplyAdagrad = training(
        "ResourceApplyAdagrad",
        "(var: resource, accum: resource, lr: T, grad: T) -> ()",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on rows of a reference variable.
    static let sparseApplyAdagrad = training(
        "SparseApplyAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on rows of a resource variable.
    static let resourceSparseApplyAdagrad = training(
        "ResourceSparseApplyAdagrad",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices) -> ()",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad with an epsilon on a reference variable.
    static let applyAdagradV2 = training(
        "ApplyAdagradV2",
        "(var: Ref(T), accum: Ref(T), lr: T, epsilon: T, grad: T) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on a resource variable.
    static let resourceApplyAdagradV2 = training(
        "ResourceApplyAdagradV2",
        "(var: resource, accum: resource, lr: T, epsilon: T, grad: T) -> ()",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on rows of a reference variable.
    static let sparseApplyAdagradV2 = training(
        "SparseApplyAdagradV2",
        "(var: Ref(T), accum: Ref(T), lr: T, epsilon: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on rows of a resource variable.
    static let resourceSparseApplyAdagradV2 = training(
        "ResourceSparseApplyAdagradV2",
        "(var: resource, accum: resource, lr: T, epsilon: T, grad: T, indices: Tindices) -> ()",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
}

/// Adagrad (Duchi, Hazan and Singer, 2011): each element's learning rate is divided by the root of the sum of its squared
/// gradients. Slot: that sum.
enum Adagrad: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = h.updatesSlots ? x.a + g * g : x.a
        x.v -= g * h.lr / x.a.squareRoot()
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1,
            update: """
                if (updates_slots) x.a += g * g;
                x.v -= g * h.lr / sqrt(x.a);
                """)
    }
}

/// Adagrad with an epsilon in the denominator, which is safe when the sum is zero.
enum AdagradWithEpsilon: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = h.updatesSlots ? x.a + g * g : x.a
        x.v -= g * h.lr / (x.a.squareRoot() + h.epsilon)
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1,
            update: """
                if (updates_slots) x.a += g * g;
                x.v -= g * h.lr / (sqrt(x.a) + h.epsilon);
                """)
    }
}

extension Output {
    /// Applies Adagrad to the variable behind this reference or handle.
    ///
    /// - Parameter slot: the variable with the sum of squared gradients; a reference or handle like this output.
    @discardableResult
    public func applyAdagrad(slot: Output, rate: Output, gradient: Output) -> Operation {
        builder.add(isReference ? "ApplyAdagrad" : "ResourceApplyAdagrad", [self, slot, rate, gradient])
    }
}
