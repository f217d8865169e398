import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Gradient descent on a variable, faster where gradient and momentum agree.
    static let applyAddSign = training(
        "ApplyAddSign",
        "(var: Ref(T), m: Ref(T), lr: T, alpha: T, sign_decay: T, beta: T, grad: T) -> (out: Ref(T))",
        rule: AddSign.self)
    /// Gradient descent on a variable behind a handle, faster where gradient and momentum agree.
    static let resourceApplyAddSign = training(
        "ResourceApplyAddSign",
        "(var: resource, m: resource, lr: T, alpha: T, sign_decay: T, beta: T, grad: T) -> ()",
        rule: AddSign.self)
    /// Gradient descent on a variable, exponentially faster where gradient and momentum agree.
    static let applyPowerSign = training(
        "ApplyPowerSign",
        "(var: Ref(T), m: Ref(T), lr: T, logbase: T, sign_decay: T, beta: T, grad: T) -> (out: Ref(T))",
        rule: PowerSign.self)
    /// Gradient descent on a variable behind a handle, exponentially faster where gradient and momentum agree.
    static let resourceApplyPowerSign = training(
        "ResourceApplyPowerSign",
        "(var: resource, m: resource, lr: T, logbase: T, sign_decay: T, beta: T, grad: T) -> ()",
        rule: PowerSign.self)
}

/// The rate grows by a sum where the signs of gradient and momentum agree.
enum AddSign: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.beta + g * (1 - h.beta)
        x.v -= h.lr * (h.alpha + h.signDecay * signOf(g) * signOf(x.a)) * g
    }
}

/// The rate grows by a factor, and falls by it where the signs differ.
enum PowerSign: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func prepare<C: MathScalar>(_ h: inout HyperParameters<C>) {
        h.derived = C.exp(h.logbase * h.signDecay)
        h.derived2 = C.exp(-(h.logbase * h.signDecay))
    }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.beta + g * (1 - h.beta)
        let agreement = signOf(g) * signOf(x.a)
        let scale = agreement > 0 ? h.derived : (agreement < 0 ? h.derived2 : 1)
        x.v -= h.lr * scale * g
    }
}
