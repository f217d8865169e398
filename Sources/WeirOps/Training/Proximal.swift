import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Gradient descent on a variable, drawn to zero after each step.
    static let applyProximalGradientDescent = training(
        "ApplyProximalGradientDescent",
        "(var: Ref(T), alpha: T, l1: T, l2: T, delta: T) -> (out: Ref(T))",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Gradient descent on a variable behind a handle, drawn to zero after each step.
    static let resourceApplyProximalGradientDescent = training(
        "ResourceApplyProximalGradientDescent",
        "(var: resource, alpha: T, l1: T, l2: T, delta: T) -> ()",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Gradient descent on a variable, drawn to zero after each step, rows of it.
    static let sparseApplyProximalGradientDescent = training(
        "SparseApplyProximalGradientDescent",
        "(var: Ref(T), alpha: T, l1: T, l2: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Gradient descent on a variable behind a handle, drawn to zero after each step, rows of it.
    static let resourceSparseApplyProximalGradientDescent = training(
        "ResourceSparseApplyProximalGradientDescent",
        "(var: resource, alpha: T, l1: T, l2: T, grad: T, indices: Tindices) -> ()",
        rule: ProximalGradientDescent.self, gpu: false)
    /// Adagrad on a variable, drawn to zero after each step.
    static let applyProximalAdagrad = training(
        "ApplyProximalAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, l1: T, l2: T, grad: T) -> (out: Ref(T))",
        rule: ProximalAdagrad.self)
    /// Adagrad on a variable behind a handle, drawn to zero after each step.
    static let resourceApplyProximalAdagrad = training(
        "ResourceApplyProximalAdagrad",
        "(var: resource, accum: resource, lr: T, l1: T, l2: T, grad: T) -> ()",
        rule: ProximalAdagrad.self)
    /// Adagrad on a variable, drawn to zero after each step, rows of it.
    static let sparseApplyProximalAdagrad = training(
        "SparseApplyProximalAdagrad",
        "(var: Ref(T), accum: Ref(T), lr: T, l1: T, l2: T, grad: T, indices: Tindices) -> (out: Ref(T))",
        rule: ProximalAdagrad.self)
    /// Adagrad on a variable behind a handle, drawn to zero after each step, rows of it.
    static let resourceSparseApplyProximalAdagrad = training(
        "ResourceSparseApplyProximalAdagrad",
        "(var: resource, accum: resource, lr: T, l1: T, l2: T, grad: T, indices: Tindices) -> ()",
        rule: ProximalAdagrad.self)
}

/// A step against the gradient, then one that makes the variable smaller.
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

/// The same with Adagrad's rate.
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
}
