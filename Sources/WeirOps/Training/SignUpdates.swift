import WeirGraph
import WeirKernels

extension OpDefinition {
    /// AddSign on a reference variable.
    static let applyAddSign = training(
        "ApplyAddSign",
        "(var: Ref(T), m: Ref(T), lr: T, alpha: T, sign_decay: T, beta: T, grad: T) -> (out: Ref(T))",
        rule: AddSign.self)
    /// AddSign on a resource variable.
    static let resourceApplyAddSign = training(
        "ResourceApplyAddSign",
        "(var: resource, m: resource, lr: T, alpha: T, sign_decay: T, beta: T, grad: T) -> ()",
        rule: AddSign.self)
    /// PowerSign on a reference variable.
    static let applyPowerSign = training(
        "ApplyPowerSign",
        "(var: Ref(T), m: Ref(T), lr: T, logbase: T, sign_decay: T, beta: T, grad: T) -> (out: Ref(T))",
        rule: PowerSign.self)
    /// PowerSign on a resource variable.
    static let resourceApplyPowerSign = training(
        "ResourceApplyPowerSign",
        "(var: resource, m: resource, lr: T, logbase: T, sign_decay: T, beta: T, grad: T) -> ()",
        rule: PowerSign.self)
}

/// AddSign (Bello and others, 2017): the learning rate grows by a summand where gradient and momentum have the same sign. Slot:
/// momentum.
enum AddSign: UpdateRule {
    static var slotCount: Int { 1 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.a = x.a * h.beta + g * (1 - h.beta)
        x.v -= h.lr * (h.alpha + h.signDecay * signOf(g) * signOf(x.a)) * g
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1,
            update: """
                x.a = x.a * h.beta + g * (1 - h.beta);
                x.v -= h.lr * (h.alpha + h.sign_decay * sign_of(g) * sign_of(x.a)) * g;
                """)
    }
}

/// PowerSign: the learning rate is multiplied by a factor where gradient and momentum have the same sign, and divided by it
/// where the signs differ. Slot: momentum.
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
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 1, prepare: "h.derived = exp(h.logbase * h.sign_decay); h.derived2 = exp(-(h.logbase * h.sign_decay));",
            update: """
                x.a = x.a * h.beta + g * (1 - h.beta);
                C agreement = sign_of(g) * sign_of(x.a);
                C scale = agreement > 0 ? h.derived : (agreement < 0 ? h.derived2 : (C)1);
                x.v -= h.lr * scale * g;
                """)
    }
}
