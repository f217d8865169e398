import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Proximal gradient descent on a reference variable.
    static let applyProximalGradientDescent = training(
        "ApplyProximalGradientDescent",
        "(var: Ref(T), alpha: T, l1: T, l2: T, delta: T) -> (out: Ref(T))",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Proximal gradient descent on a resource variable.
    static let resourceApplyProximalGradientDescent = training(
        "ResourceApplyProximalGradientDescent",
        "(var: resource, alpha: T, l1: T, l2: T, delta: T) -> ()",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Proximal gradient descent on rows of a reference variable.
    static let sparseApplyProximalGradientDescent = training(
        "SparseApplyProximalGradientDescent",
        "(var: Ref(T), alpha: T, l1: T, l2: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Proximal gradient descent on rows of a resource variable.
    static let resourceSparseApplyProximalGradientDescent = training(
        "ResourceSparseApplyProximalGradientDescent",
        "(var: resource, alpha: T, l1: T, l2: T, grad: T, indices: Tindices) -> ()",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Proximal Adagrad on a reference variable.
    static let applyProximalAdagrad = training(
        "ApplyProximalAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, l1: T, l2: T, grad: T) -> (out: Ref(T))",
        rule: ProximalAdagrad.self)
    /// Proximal Adagrad on a resource variable.
    static let resourceApplyProximalAdagrad = training(
        "ResourceApplyProximalAdagrad",
        "(var: resource, accum: resource, lr: T, l1: T, l2: T, grad: T) -> ()",
        rule: ProximalAdagrad.self)
    /// Proximal Adagrad on rows of a reference variable.
    static let sparseApplyProximalAdagrad = training(
        "SparseApplyProximalAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, l1: T, l2: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        rule: ProximalAdagrad.self)
    /// Proximal Adagrad on rows of a resource variable.
    static let resourceSparseApplyProximalAdagrad = training(
        "ResourceSparseApplyProximalAdagrad",
        "(var: resource, accum: resource, lr: T, l1: T, l2: T, grad: T, indices: Tindices) -> ()",
        rule: ProximalAdagrad.self)
}

/// Proximal gradient descent: a step of gradient descent, then a proximal step that shrinks the variable (L1 and L2).
enum ProximalGradientDescent: UpdateRule {
    static var slotCount: Int { 0 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) {
        h.derived = h.l1 > 0 ? h.alpha * h.l1 : 0
        h.derived2 = 1 + h.l2 * h.alpha
    }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.v = shrunk(x.v - g * h.alpha, by: h.derived) / h.derived2
    }
}

/// Proximal gradient descent with the learning rate of Adagrad. Slot: sum of squared gradients.
enum ProximalAdagrad: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) { h.derived = h.l1 > 0 ? h.l1 : 0 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a += g * g
        let rate = h.lr / x.a.squareRoot()
        x.v = shrunk(x.v - g * rate, by: rate * h.derived) / (1 + h.l2 * rate)
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1, prepare: "h.derived = h.l1 > 0 ? h.l1 : (C)0;",
            update: """
                x.a += g * g;
                C rate = h.lr / sqrt(x.a);
                x.v = shrunk(x.v - g * rate, rate * h.derived) / (1 + h.l2 * rate);
                """)
    }
}
