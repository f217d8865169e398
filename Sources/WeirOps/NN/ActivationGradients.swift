import WeirGraph
import WeirKernels
import WeirTensor

private let floatTypes = "T: {half, bfloat16, float, double}"
private let realTypes = "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

extension OpDefinition {
    /// The gradient of `Relu`, from its output or input.
    static let reluGrad = OpDefinition("ReluGrad", "(gradients: T, features: T) -> (backprops: T)", realTypes)
        .shape(ShapeFunctions.merged)
        .elementwise(gradient: ReluFunction())
        .gradient { g in [g.op("ReluGrad", g.gradient(), g.inputs[1]), g.op("ZerosLike", g.inputs[1])] }
        .kernel(["T": .real], gpu: ["T": .floating]) { try realActivationGradient($0, ReluFunction(), upper: nil) }
        .cuda(gradient: ReluFunction())

    /// The gradient of `Relu6`, from its output or input.
    static let relu6Grad = OpDefinition("Relu6Grad", "(gradients: T, features: T) -> (backprops: T)", realTypes)
        .shape(ShapeFunctions.merged)
        .elementwise(gradient: Relu6Function())
        .gradient { g in [g.op("Relu6Grad", g.gradient(), g.inputs[1]), g.op("ZerosLike", g.inputs[1])] }
        .kernel(["T": .real], gpu: ["T": .floating]) { try realActivationGradient($0, Relu6Function(), upper: 6) }
        .cuda(gradient: Relu6Function())

    /// The gradient of `LeakyRelu`, from its input.
    static let leakyReluGrad = OpDefinition(
        "LeakyReluGrad", "(gradients: T, features: T) -> (backprops: T)", "alpha: float = 0.200000003",
        "T: {half, bfloat16, float, double} = float"
    )
    .shape(ShapeFunctions.merged)
    .gradient { g in
        let alpha: Attributes = ["alpha": .float(g.attributes.float("alpha") ?? 0.2)]
        return [g.op("LeakyReluGrad", g.gradient(), g.inputs[1], attributes: alpha), g.op("ZerosLike", g.inputs[1])]
    }
    .kernel(["T": .floating], gpu: ["T": .floating]) { request in
        try request.floating("T", ActivationGradientVisitor(LeakyReluFunction(alpha: try request.float("alpha")), request))
    }
    .cuda { request in try cudaActivationGradient(request, LeakyReluFunction(alpha: try request.float("alpha"))) }

    /// The gradient of `Elu`, from its output.
    static let eluGrad = activationGradient("EluGrad", "outputs", EluFunction()) { eluGradGradient($0, "EluGrad") }
    /// The gradient of `Selu`, from its output.
    static let seluGrad = activationGradient("SeluGrad", "outputs", SeluFunction()) { eluGradGradient($0, "SeluGrad") }
    /// The gradient of `Softplus`, from its input.
    static let softplusGrad = activationGradient("SoftplusGrad", "features", SoftplusFunction()) { g in
        let (dy, x) = (g.inputs[0], g.inputs[1])
        let sum = g.op(
            "AddV2", g.op("AddV2", g.op("Exp", g.op("Neg", x)), g.scalar(2, like: x)), g.op("Exp", x))
        return [
            g.op("SoftplusGrad", g.gradient(), x), g.op("RealDiv", g.op("Mul", g.gradient(), dy), sum),
        ]
    }
    /// The gradient of `Softsign`, from its input.
    static let softsignGrad = activationGradient("SoftsignGrad", "features", SoftsignFunction(), nil)

    private static func activationGradient(
        _ name: String, _ value: String, _ function: some ActivationGradient, _ gradient: Gradient?
    ) -> OpDefinition {
        let definition = OpDefinition(name, "(gradients: T, \(value): T) -> (backprops: T)", floatTypes)
            .shape(ShapeFunctions.merged)
            .elementwise(gradient: function)
            .kernel(["T": .floating], gpu: ["T": .floating]) {
                try $0.floating("T", ActivationGradientVisitor(function, $0))
            }
            .cuda(gradient: function)
        return gradient.map { definition.gradient($0) } ?? definition
    }
}

/// Returns the gradients of `EluGrad` and `SeluGrad`. They depend on the function's output only where it is negative.
private func eluGradGradient(_ g: GradientContext, _ op: String) -> [Output?] {
    let output = g.inputs[1]
    let isNegative = g.op("Less", output, g.scalar(0, like: output))
    return [
        g.op(op, g.gradient(), output),
        g.op("SelectV2", isNegative, g.op("Mul", g.gradient(), g.inputs[0]), g.op("ZerosLike", output)),
    ]
}

/// Checks that both inputs have the same shape and returns it.
private func commonShape(_ context: borrowing KernelContext, _ op: String, _ name: String) throws -> Shape {
    let (first, second) = (context.shape(0), context.shape(1))
    guard first == second else {
        throw Status.invalidArgument(
            "Inputs to operation \(name) of type \(op) must have the same size and shape.  Input 0: \(first) != input 1: \(second)")
    }
    return first
}

extension OpDefinition {
    fileprivate func cuda(gradient function: some ActivationGradient) -> OpDefinition {
        cudaExpression { _ in function.cudaGradient }.cuda { request in try cudaActivationGradient(request, function) }
    }
}

private func cudaActivationGradient(_ request: KernelRequest, _ function: some ActivationGradient) throws -> Kernel {
    let (dtype, op, name) = (try request.type("T"), request.op.name, request.name)
    let program = try CUDAElementwise(request.cudaDevice(), op, [dtype, dtype], dtype, function.cudaGradient)
    return .sync { context in
        let shape = try commonShape(context, op, name)
        let (gradient, value) = (context.input(0), context.input(1))
        try program.run([gradient, value], nil, try context.output(0, dtype, shape, reusing: 0, 1))
    }
}

private struct ActivationGradientVisitor<F: ActivationGradient>: FloatingVisitor {
    let function: F
    let op: String
    let name: String
    init(_ function: F, _ request: KernelRequest) { (self.function, op, name) = (function, request.op.name, request.name) }

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        let (function, op, name) = (function, op, name)
        return .sync { context in
            let shape = try commonShape(context, op, name)
            let (gradient, value) = (context.elements(0, E.self), context.elements(1, E.self))
            let output = try context.output(0, E.dtype, shape, reusing: 0, 1).mutableElements(E.self)
            context.pool.parallelFor(output.count, grain: function.grain) { function.apply(gradient, value, output, $0) }
        }
    }
}

/// Returns the kernel of an activation's gradient that also has integer types. For integers the gradient passes where the value
/// is above 0 and below `upper`.
private func realActivationGradient(_ request: KernelRequest, _ function: some ActivationGradient, upper: Int?) throws -> Kernel {
    if try request.type("T").isFloating { return try request.floating("T", ActivationGradientVisitor(function, request)) }
    return try request.integer("T", IntegerReluGradient(upper: upper, op: request.op.name, name: request.name))
}

private struct IntegerReluGradient: IntegerVisitor {
    let upper: Int?
    let op: String
    let name: String
    func visit<E: IntegerElement>(_ type: E.Type) throws -> Kernel {
        let limit = upper.map { E(clamping: $0) }
        return .sync { context in
            let shape = try commonShape(context, op, name)
            let (gradient, value) = (context.elements(0, E.self), context.elements(1, E.self))
            let output = try context.output(0, context.dtype(0), shape, reusing: 0, 1).mutableElements(E.self)
            if let limit {
                for index in 0..<output.count { output[index] = value[index] > 0 && value[index] < limit ? gradient[index] : 0 }
            } else {
                for index in 0..<output.count { output[index] = value[index] > 0 ? gradient[index] : 0 }
            }
        }
    }
}
