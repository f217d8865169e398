public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Follow the regularized leader on a variable.
    static let applyFtrl = training(
        "ApplyFtrl",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, lr: T, l1: T, l2: T, lr_power: T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// Follow the regularized leader on a variable behind a handle.
    static let resourceApplyFtrl = training(
        "ResourceApplyFtrl",
        "(var: resource, accum: resource, linear: resource, grad: T, lr: T, l1: T, l2: T, lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// Follow the regularized leader on a variable, rows of it.
    static let sparseApplyFtrl = training(
        "SparseApplyFtrl",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, indices: Tindices, lr: T, l1: T, l2: T, lr_power: "
            + "T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// Follow the regularized leader on a variable behind a handle, rows of it.
    static let resourceSparseApplyFtrl = training(
        "ResourceSparseApplyFtrl",
        "(var: resource, accum: resource, linear: resource, grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// Follow the regularized leader, with shrinkage, on a variable.
    static let applyFtrlV2 = training(
        "ApplyFtrlV2",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, lr: T, l1: T, l2: T, l2_shrinkage: T, lr_power: "
            + "T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// Follow the regularized leader, with shrinkage, on a variable behind a handle.
    static let resourceApplyFtrlV2 = training(
        "ResourceApplyFtrlV2",
        "(var: resource, accum: resource, linear: resource, grad: T, lr: T, l1: T, l2: T, l2_shrinkage: T, "
            + "lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// Follow the regularized leader, with shrinkage, on a variable, rows of it.
    static let sparseApplyFtrlV2 = training(
        "SparseApplyFtrlV2",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "l2_shrinkage: T, lr_power: T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// Follow the regularized leader, with shrinkage, on a variable behind a handle, rows of it.
    static let resourceSparseApplyFtrlV2 = training(
        "ResourceSparseApplyFtrlV2",
        "(var: resource, accum: resource, linear: resource, grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "l2_shrinkage: T, lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
}

/// Follow the regularized leader, for the usual power of −1/2. Slots: sum of squares, linear term.
enum Ftrl: UpdateRule {
    typealias General = FtrlWithAnyPower
    static var slotCount: Int { 2 }
    @inline(__always) static func covers<C: MathScalar>(_ h: HyperParameters<C>) -> Bool { h.lrPower == -0.5 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        let sum = x.a + g * g
        FtrlWithAnyPower.finish(&x, g, h, old: x.a.squareRoot(), new: sum.squareRoot())
        x.a = sum
    }
}

/// The same for any power.
enum FtrlWithAnyPower: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        let sum = x.a + g * g
        finish(&x, g, h, old: C.pow(x.a, -h.lrPower), new: C.pow(sum, -h.lrPower))
        x.a = sum
    }

    /// - Parameters:
    ///   - old: the sum of squares to the power, before this gradient.
    ///   - new: the same with it.
    @inline(__always)
    static func finish<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>, old: C, new: C) {
        let gradient = g + 2 * h.l2Shrinkage * x.v
        // The linear term may be kept multiplied by the rate, which then may be zero.
        let factor = h.multipliesLinear ? h.lr : 1
        let rate = h.multipliesLinear ? 1 : h.lr
        x.b += gradient * factor - (new - old) / rate * x.v
        let l1 = h.l1 * factor
        let quadratic = new / rate + 2 * h.l2 * factor
        x.v = abs(x.b) > l1 ? (l1 * signOf(x.b) - x.b) / quadratic : 0
    }
}

extension Output {
    /// Follow-the-regularized-leader on the variable that this reference or handle is; all three are references, or
    /// all handles.
    ///
    /// - Parameters:
    ///   - square: the variable that keeps the sum of the squares of the gradients.
    ///   - linear: the variable that keeps the linear term.
    @discardableResult
    public func applyFtrl(
        square: Output, linear: Output, gradient: Output, rate: Output, l1: Output, l2: Output, power: Output
    ) -> Operation {
        builder.add(
            isReference ? "ApplyFtrl" : "ResourceApplyFtrl", [self, square, linear, gradient, rate, l1, l2, power])
    }
}
