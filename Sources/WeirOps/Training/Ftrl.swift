public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// FTRL on a reference variable.
    static let applyFtrl = training(
        "ApplyFtrl",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, lr: T, l1: T, l2: T, lr_power: T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// FTRL on a resource variable.
    static let resourceApplyFtrl = training(
        "ResourceApplyFtrl",
        "(var: resource, accum: resource, linear: resource, grad: T, lr: T, l1: T, l2: T, lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// FTRL on rows of a reference variable.
    static let sparseApplyFtrl = training(
        "SparseApplyFtrl",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, indices: Tindices, lr: T, l1: T, l2: T, lr_power: "
            + "T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// FTRL on rows of a resource variable.
    static let resourceSparseApplyFtrl = training(
        "ResourceSparseApplyFtrl",
        "(var: resource, accum: resource, linear: resource, grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// FTRL with L2 shrinkage on a reference variable.
    static let applyFtrlV2 = training(
        "ApplyFtrlV2",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, lr: T, l1: T, l2: T, l2_shrinkage: T, lr_power: "
            + "T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// FTRL with L2 shrinkage on a resource variable.
    static let resourceApplyFtrlV2 = training(
        "ResourceApplyFtrlV2",
        "(var: resource, accum: resource, linear: resource, grad: T, lr: T, l1: T, l2: T, l2_shrinkage: T, "
            + "lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self)
    /// FTRL with L2 shrinkage on rows of a reference variable.
    static let sparseApplyFtrlV2 = training(
        "SparseApplyFtrlV2",
        "(var: Ref(T), accum: Ref(T), linear: Ref(T), grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "l2_shrinkage: T, lr_power: T) -> (out: Ref(T))",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
    /// FTRL with L2 shrinkage on rows of a resource variable.
    static let resourceSparseApplyFtrlV2 = training(
        "ResourceSparseApplyFtrlV2",
        "(var: resource, accum: resource, linear: resource, grad: T, indices: Tindices, lr: T, l1: T, l2: T, "
            + "l2_shrinkage: T, lr_power: T) -> ()",
        "multiply_linear_by_lr: bool = false",
        rule: Ftrl.self, check: .regularization)
}

/// FTRL (follow the regularized leader; McMahan and others, 2013) for the usual learning rate power of −1/2. Slots: sum of
/// squared gradients, linear term.
enum Ftrl: UpdateRule {
    typealias General = FtrlWithAnyPower
    static var slotCount: Int { 2 }
    @inline(__always) static func applies<C: MathScalar>(_ h: HyperParameters<C>) -> Bool { h.lrPower == -0.5 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        let sum = x.a + g * g
        FtrlWithAnyPower.finish(&x, g, h, old: x.a.squareRoot(), new: sum.squareRoot())
        x.a = sum
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            slots: 2,
            update: """
                C sum = x.a + g * g;
                bool is_root = h.lr_power == (C)-0.5;
                C before = is_root ? sqrt(x.a) : pow(x.a, -h.lr_power), after = is_root ? sqrt(sum) : pow(sum, -h.lr_power);
                C gradient = g + 2 * h.l2_shrinkage * x.v;
                C factor = multiplies_linear ? h.lr : (C)1, rate = multiplies_linear ? (C)1 : h.lr;
                x.b += gradient * factor - (after - before) / rate * x.v;
                C l1 = h.l1 * factor, quadratic = after / rate + 2 * h.l2 * factor;
                x.v = fabs(x.b) > l1 ? (l1 * sign_of(x.b) - x.b) / quadratic : (C)0;
                x.a = sum;
                """)
    }
}

/// FTRL for any learning rate power.
enum FtrlWithAnyPower: UpdateRule {
    static var slotCount: Int { 2 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        let sum = x.a + g * g
        finish(&x, g, h, old: C.pow(x.a, -h.lrPower), new: C.pow(sum, -h.lrPower))
        x.a = sum
    }

    /// Updates the linear term and the variable.
    /// - Parameters:
    /// - old: the sum of squared gradients before this gradient, to the power of `-lrPower`.
    /// - new: the sum that includes this gradient, to the same power.
    @inline(__always)
    static func finish<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>, old: C, new: C) {
        let gradient = g + 2 * h.l2Shrinkage * x.v
        // With `multiply_linear_by_lr` the linear slot is kept multiplied by the learning rate, so that the rate may be zero.
        let factor = h.multipliesLinear ? h.lr : 1
        let rate = h.multipliesLinear ? 1 : h.lr
        x.b += gradient * factor - (new - old) / rate * x.v
        let l1 = h.l1 * factor
        let quadratic = new / rate + 2 * h.l2 * factor
        x.v = abs(x.b) > l1 ? (l1 * signOf(x.b) - x.b) / quadratic : 0
    }
}

extension Output {
    /// Applies FTRL to the variable behind this reference or handle. This output and both slots are all references or all
    /// handles.
    ///
    /// - Parameters:
    /// - square: the variable with the sum of the squared gradients.
    /// - linear: the variable with the linear term.
    @discardableResult
    public func applyFtrl(
        square: Output, linear: Output, gradient: Output, rate: Output, l1: Output, l2: Output, power: Output
    ) -> Operation {
        builder.add(
            isReference ? "ApplyFtrl" : "ResourceApplyFtrl", [self, square, linear, gradient, rate, l1, l2, power])
    }
}
