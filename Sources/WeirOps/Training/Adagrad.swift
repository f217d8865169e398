public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adagrad on a variable.
    static let applyAdagrad = training(
        "ApplyAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on a variable behind a handle.
    static let resourceApplyAdagrad = training(
        "ResourceApplyAdagrad",
        "(var: resource, accum: resource, lr: T, grad: T) -> ()",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on a variable, rows of it.
    static let sparseApplyAdagrad = training(
        "SparseApplyAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad on a variable behind a handle, rows of it.
    static let resourceSparseApplyAdagrad = training(
        "ResourceSparseApplyAdagrad",
        "(var: resource, accum: resource, lr: T, grad: T, indices: Tindices) -> ()",
        "update_slots: bool = true",
        rule: Adagrad.self)
    /// Adagrad with an epsilon on a variable.
    static let applyAdagradV2 = training(
        "ApplyAdagradV2",
        "(var: Ref(T), accum: Ref(T), lr: T, epsilon: T, grad: T) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on a variable behind a handle.
    static let resourceApplyAdagradV2 = training(
        "ResourceApplyAdagradV2",
        "(var: resource, accum: resource, lr: T, epsilon: T, grad: T) -> ()",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on a variable, rows of it.
    static let sparseApplyAdagradV2 = training(
        "SparseApplyAdagradV2",
        "(var: Ref(T), accum: Ref(T), lr: T, epsilon: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
    /// Adagrad with an epsilon on a variable behind a handle, rows of it.
    static let resourceSparseApplyAdagradV2 = training(
        "ResourceSparseApplyAdagradV2",
        "(var: resource, accum: resource, lr: T, epsilon: T, grad: T, indices: Tindices) -> ()",
        "update_slots: bool = true",
        rule: AdagradWithEpsilon.self)
}

/// Each element has its own rate, which falls with the sum of the squares of its gradients.
enum Adagrad: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = h.updatesSlots ? x.a + g * g : x.a
        x.v -= g * h.lr / x.a.squareRoot()
    }
}

/// The same, safe where the sum is zero.
enum AdagradWithEpsilon: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = h.updatesSlots ? x.a + g * g : x.a
        x.v -= g * h.lr / (x.a.squareRoot() + h.epsilon)
    }
}

extension Output {
    /// Adagrad on the variable that this reference or handle is.
    ///
    /// - Parameter slot: the variable that keeps the sum of squares, a reference or handle as this is.
    @discardableResult
    public func applyAdagrad(slot: Output, rate: Output, gradient: Output) -> Operation {
        builder.add(isReference ? "ApplyAdagrad" : "ResourceApplyAdagrad", [self, slot, rate, gradient])
    }
}
