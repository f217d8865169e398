import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adagrad dual averaging on a reference variable.
    static let applyAdagradDA = training(
        "ApplyAdagradDA",
        "(var: Ref(T), gradient_accumulator: Ref(T), gradient_squared_accumulator: Ref(T), grad: T, lr: T, l1: "
            + "T, l2: T, global_step: int64) -> (out: Ref(T))",
        rule: AdagradDualAveraging.self, gpu: false)
    /// Adagrad dual averaging on a resource variable.
    static let resourceApplyAdagradDA = training(
        "ResourceApplyAdagradDA",
        "(var: resource, gradient_accumulator: resource, gradient_squared_accumulator: resource, grad: T, lr: T, "
            + "l1: T, l2: T, global_step: int64) -> ()",
        rule: AdagradDualAveraging.self, gpu: false)
    /// Adagrad dual averaging on rows of a reference variable.
    static let sparseApplyAdagradDA = training(
        "SparseApplyAdagradDA",
        "(var: Ref(T), gradient_accumulator: Ref(T), gradient_squared_accumulator: Ref(T), grad: T, indices: "
            + "Tindices, lr: T, l1: T, l2: T, global_step: int64) -> (out: Ref(T))",
        rule: AdagradDualAveraging.self, gpu: false)
    /// Adagrad dual averaging on rows of a resource variable.
    static let resourceSparseApplyAdagradDA = training(
        "ResourceSparseApplyAdagradDA",
        "(var: resource, gradient_accumulator: resource, gradient_squared_accumulator: resource, grad: T, "
            + "indices: Tindices, lr: T, l1: T, l2: T, global_step: int64) -> ()",
        rule: AdagradDualAveraging.self, gpu: false)
}

/// Adagrad dual averaging: the new value depends on the sums of all gradients and of their squares, not on the old value.
/// Slots: sum of gradients, sum of squared gradients.
enum AdagradDualAveraging: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) {
        h.derived = h.l1 > 0 ? h.globalStep * h.l1 : 0
        h.derived2 = h.l2 * (h.globalStep * h.lr)
    }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += g
        x.b += g * g
        x.v = -h.lr * shrunk(x.a, by: h.derived) / (h.derived2 + x.b.squareRoot())
    }
}
