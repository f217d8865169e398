public import WeirGraph
import WeirKernels
import WeirTensor

private let floatTypes = "T: {half, bfloat16, float, double}"
private let realTypes = "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

extension OpDefinition {
    /// The rectified linear unit, `max(x, 0)`.
    static let relu = OpDefinition(
        "Relu", "(features: T) -> (activations: T)",
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, qint8}"
    )
    .shape(ShapeFunctions.unchanged)
    .elementwise(ReluFunction())
    .fusing(as: .activation)
    .gradient { g in [g.op("ReluGrad", g.gradient(), g.outputs[0])] }
    .kernel(["T": .real], gpu: ["T": reluGPUTypes]) { try realActivation($0, ReluFunction(), upper: nil) }
    .cuda(ReluFunction().cuda)

    /// `min(max(x, 0), 6)`.
    static let relu6 = OpDefinition("Relu6", "(features: T) -> (activations: T)", realTypes)
        .shape(ShapeFunctions.unchanged)
        .elementwise(Relu6Function())
        .fusing(as: .activation)
        .gradient { g in [g.op("Relu6Grad", g.gradient(), g.outputs[0])] }
        .kernel(["T": .real], gpu: ["T": .floating]) { try realActivation($0, Relu6Function(), upper: 6) }
        .cuda(Relu6Function().cuda)

    /// `x` where x is positive, otherwise `alpha · x`.
    static let leakyRelu = OpDefinition(
        "LeakyRelu", "(features: T) -> (activations: T)", "alpha: float = 0.200000003",
        "T: {half, bfloat16, float, double} = float"
    )
    .shape(ShapeFunctions.unchanged)
    .sharding(ShardingRule.elementwise)
    .fusing(as: .activation)
    .gradient { g in
        [g.op("LeakyReluGrad", g.gradient(), g.inputs[0], attributes: ["alpha": .float(g.attributes.float("alpha") ?? 0.2)])]
    }
    .kernel(["T": .floating], gpu: ["T": .floating]) { request in
        try request.floating("T", ActivationVisitor(function: LeakyReluFunction(alpha: try request.float("alpha"))))
    }
    .cuda { attributes in LeakyReluFunction(alpha: attributes.float("alpha") ?? 0.2).cuda }

    /// `x` where x is positive, otherwise `exp(x) - 1`.
    static let elu = activation("Elu", EluFunction(), gpu: .floating) { g in [g.op("EluGrad", g.gradient(), g.outputs[0])] }
        .fusing(as: .activation)
    /// The scaled ELU, which preserves mean and variance (Klambauer and others, 2017).
    static let selu = activation("Selu", SeluFunction(), gpu: .floating) { g in [g.op("SeluGrad", g.gradient(), g.outputs[0])] }
    /// `log(exp(x) + 1)`.
    static let softplus = activation("Softplus", SoftplusFunction(), gpu: DTypeSet(.float16, .float32, .float64)) { g in
        [g.op("Mul", g.gradient(), g.op("Sigmoid", g.inputs[0]))]
    }
    /// `x / (|x| + 1)`.
    static let softsign = activation("Softsign", SoftsignFunction(), gpu: DTypeSet(.float16, .float32, .float64)) { g in
        [g.op("SoftsignGrad", g.gradient(), g.inputs[0])]
    }

    private static func activation(
        _ name: String, _ function: some Activation, gpu: DTypeSet, _ gradient: @escaping Gradient
    ) -> OpDefinition {
        OpDefinition(name, "(features: T) -> (activations: T)", floatTypes)
            .shape(ShapeFunctions.unchanged)
            .elementwise(function)
            .gradient(gradient)
            .kernel(["T": .floating], gpu: ["T": gpu]) { try $0.floating("T", ActivationVisitor(function: function)) }
            .cuda(function.cuda)
    }
}

/// All real types except int32.
private let reluGPUTypes: DTypeSet = [.floating, .unsignedInteger, DTypeSet(.int8, .int16, .int64)]

struct ActivationVisitor<F: Activation>: FloatingVisitor {
    let function: F
    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        let function = function
        return .sync { context in
            let x = context.elements(0, E.self)
            let output = try context.output(0, E.dtype, context.shape(0), reusing: 0).mutableElements(E.self)
            context.pool.parallelFor(x.count, grain: function.grain) { function.apply(x, output, $0) }
        }
    }
}

/// Returns the kernel of an activation that also has integer types. Integers are clamped to 0 through `upper`.
private func realActivation(_ request: KernelRequest, _ function: some Activation, upper: Int?) throws -> Kernel {
    if try request.type("T").isFloating { return try request.floating("T", ActivationVisitor(function: function)) }
    return try request.integer("T", IntegerClamp(upper: upper))
}

private struct IntegerClamp: IntegerVisitor {
    let upper: Int?
    func visit<E: IntegerElement>(_ type: E.Type) throws -> Kernel {
        let highest = upper.map { E(clamping: $0) } ?? .max
        return .sync { context in
            let x = context.elements(0, E.self)
            let output = try context.output(0, context.dtype(0), context.shape(0), reusing: 0).mutableElements(E.self)
            context.pool.parallelFor(x.count, grain: cheapGrain) { range in
                for index in range { output[index] = min(max(x[index], 0), highest) }
            }
        }
    }
}

extension Output {
    /// Returns `max(x, 0)` (Relu).
    public func relu() -> Output { builder.add("Relu", [self])[0] }
    /// Returns `min(max(x, 0), 6)` (Relu6).
    public func relu6() -> Output { builder.add("Relu6", [self])[0] }
    /// Returns `x` where x is positive, otherwise `alpha · x` (LeakyRelu).
    public func leakyRelu(alpha: Float = 0.2) -> Output {
        builder.add("LeakyRelu", [self], attributes: ["alpha": .float(alpha)])[0]
    }
    /// Returns `x` where x is positive, otherwise `exp(x) - 1` (Elu).
    public func elu() -> Output { builder.add("Elu", [self])[0] }
    /// Returns the scaled ELU, which preserves mean and variance (Selu).
    public func selu() -> Output { builder.add("Selu", [self])[0] }
    /// Returns `log(exp(x) + 1)` (Softplus).
    public func softplus() -> Output { builder.add("Softplus", [self])[0] }
    /// Returns `x / (
    /// x
    /// + 1)` (Softsign).
    public func softsign() -> Output { builder.add("Softsign", [self])[0] }
}
