import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Adadelta on a reference variable.
    static let applyAdadelta = training(
        "ApplyAdadelta",
        "(var: Ref(T), accum: Ref(T), accum_update: Ref(T), lr: T, rho: T, epsilon: T, grad: T) -> (out: Ref(T))",
        rule: Adadelta.self)
    /// Adadelta on a resource variable.
    static let resourceApplyAdadelta = training(
        "ResourceApplyAdadelta",
        "(var: resource, accum: resource, accum_update: resource, lr: T, rho: T, epsilon: T, grad: T) -> ()",
        rule: Adadelta.self)
    /// Adadelta on rows of a reference variable.
    static let sparseApplyAdadelta = training(
        "SparseApplyAdadelta",
        "(var: Ref(T), accum: Ref(T), accum_update: Ref(T), lr: T, rho: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> (out: Ref(T))",
        rule: Adadelta.self)
    /// Adadelta on rows of a resource variable.
    static let resourceSparseApplyAdadelta = training(
        "ResourceSparseApplyAdadelta",
        "(var: resource, accum: resource, accum_update: resource, lr: T, rho: T, epsilon: T, grad: T, indices: "
            + "Tindices) -> ()",
        rule: Adadelta.self)
}

/// Adadelta (Zeiler, 2012): the step is the gradient times the RMS of earlier steps over the RMS of the gradients. Slots: mean
/// of squared gradients, mean of squared steps.
enum Adadelta: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.rho + g * g * (1 - h.rho)
        let step = (x.b + h.epsilon).squareRoot() / (x.a + h.epsilon).squareRoot() * g
        x.v -= step * h.lr
        x.b = x.b * h.rho + step * step * (1 - h.rho)
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 2,
            update: """
                x.a = x.a * h.rho + g * g * (1 - h.rho);
                C step = sqrt(x.b + h.epsilon) / sqrt(x.a + h.epsilon) * g;
                x.v -= step * h.lr;
                x.b = x.b * h.rho + step * step * (1 - h.rho);
                """)
    }
}
