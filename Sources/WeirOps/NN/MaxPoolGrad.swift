import WeirGraph
import WeirKernels
import WeirTensor

private let realTypes = "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
private let windowAttributes = ["ksize: list(int) >= 4", "strides: list(int) >= 4"]
private let plainPadding = ["padding: {'SAME', 'VALID'}", "data_format: {'NHWC', 'NCHW'} = 'NHWC'"]

extension OpDefinition {
    /// The gradient of `MaxPool` with respect to its input.
    static let maxPoolGrad = OpDefinition(
        "MaxPoolGrad", "(orig_input: T, orig_output: T, grad: T) -> (output: T)",
        attributes: windowAttributes + [
            "padding: {'SAME', 'VALID', 'EXPLICIT'}", "explicit_paddings: list(int) = []",
            "data_format: {'NHWC', 'NCHW'} = 'NHWC'", realTypes + " = float",
        ]
    )
    .shape { c in c.setOutput(0, try c.input(0).merging(.ofRank(4))) }
    .gradient { g in maxPoolSecondGradient(g, "MaxPoolGradGrad") }
    .kernel(["T": .real], gpu: ["T": .floating]) { try maxPoolGradientKernel($0, gathers: false, windowInput: nil) }
    .cuda { try cudaMaxPoolGradient($0, gathers: false, windowInput: nil) }

    /// The gradient of `MaxPoolV2` with respect to its input.
    static let maxPoolGradV2 = OpDefinition(
        "MaxPoolGradV2", "(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32) -> (output: T)",
        attributes: plainPadding + [realTypes + " = float"]
    )
    .shape { c in c.setOutput(0, try c.input(0).merging(.ofRank(4))) }
    .gradient { g in maxPoolSecondGradient(g, "MaxPoolGradGradV2") }
    .kernel(["T": .real], gpu: ["T": .floating], hostMemory: ["ksize", "strides"]) {
        try maxPoolGradientKernel($0, gathers: false, windowInput: 3)
    }
    .cuda { try cudaMaxPoolGradient($0, gathers: false, windowInput: 3) }

    /// The gradient of `MaxPoolGrad`: for each window the gradient at the position of its maximum.
    static let maxPoolGradGrad = OpDefinition(
        "MaxPoolGradGrad", "(orig_input: T, orig_output: T, grad: T) -> (output: T)",
        attributes: windowAttributes + plainPadding + [realTypes]
    )
    .shape { c in c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 2).partial(c.input(0)).merging(c.input(1))) }
    .gradient { g in maxPoolSecondGradient(g, "MaxPoolGrad") }
    .kernel(["T": .real], gpu: ["T": .floating]) { try maxPoolGradientKernel($0, gathers: true, windowInput: nil) }
    .cuda { try cudaMaxPoolGradient($0, gathers: true, windowInput: nil) }

    /// The gradient of `MaxPoolGradV2`.
    static let maxPoolGradGradV2 = OpDefinition(
        "MaxPoolGradGradV2", "(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32) -> (output: T)",
        attributes: plainPadding + [realTypes]
    )
    .shape { c in c.setOutput(0, try c.input(1).merging(.ofRank(4))) }
    .gradient { g in maxPoolSecondGradient(g, "MaxPoolGradV2") }
    .kernel(["T": .real], gpu: ["T": .floating], hostMemory: ["ksize", "strides"]) {
        try maxPoolGradientKernel($0, gathers: true, windowInput: 3)
    }
    .cuda { try cudaMaxPoolGradient($0, gathers: true, windowInput: 3) }
}

/// Returns the gradients of the four max pooling gradient ops. Only the input `grad` has a gradient other than zero.
private func maxPoolSecondGradient(_ g: GradientContext, _ op: String) -> [Output?] {
    let inputs = [g.inputs[0], g.inputs[1], g.gradient()] + g.inputs.dropFirst(3)
    let flow = g.ops(op, inputs, attributes: poolAttributes(g, explicit: op == "MaxPoolGrad" && g.attributes["explicit_paddings"] != nil))
    return [g.op("ZerosLike", g.inputs[0]), g.op("ZerosLike", g.inputs[1]), flow.first] + g.inputs.dropFirst(3).map { _ in nil }
}

/// The attributes of a gradient's node, or of its calls when the window is an input.
private func gradientAttributes(_ request: KernelRequest, windowInput: Int?) throws -> PoolAttributeSource {
    let attributes = request.attributes
    if let windowInput { return { try poolAttributes(attributes, $0, windowInput: windowInput) } }
    let pool = try PoolAttributes(attributes, spatialRank: 2)
    try pool.requireSpatial("MaxPoolingGrad is not yet supported on the depth dimension.")
    return { _ in pool }
}

private func maxPoolGradientKernel(_ request: KernelRequest, gathers: Bool, windowInput: Int?) throws -> Kernel {
    try request.real("T", MaxPoolGradientVisitor(gathers: gathers, attributes: gradientAttributes(request, windowInput: windowInput)))
}

private func cudaMaxPoolGradient(_ request: KernelRequest, gathers: Bool, windowInput: Int?) throws -> Kernel {
    try cudaMaxPoolGradient(request, gathers: gathers, gradientAttributes(request, windowInput: windowInput))
}

func cudaMaxPoolGradient(_ request: KernelRequest, gathers: Bool, _ attributes: @escaping PoolAttributeSource) throws -> Kernel {
    let dtype = try request.type("T")
    let program = try CUDAPool(request, dtype)
    return .sync { context in
        let pool = try attributes(context)
        let (shape, resultShape) = try maxPoolGradientPlan(context, pool, gathers: gathers)
        let (x, flow, result) = (context.input(0), context.input(2), try context.output(0, dtype, resultShape))
        guard x.elementCount > 0 else { return try program.device.fill(result) }
        if gathers {
            try program.atMaxima(shape, x, flow, result)
        } else {
            try program.maximaGradient(shape, x, flow, result, toAll: pool.spatialRank == 3)
        }
    }
}

/// Checks the shapes of a gradient; returns the sizes and the result's shape.
private func maxPoolGradientPlan(_ context: borrowing KernelContext, _ pool: PoolAttributes, gathers: Bool) throws -> (PoolShape, Shape) {
    try pool.requireSpatial("MaxPoolingGrad is not yet supported on the depth dimension.")
    let (input, output, gradient) = (context.shape(0), context.shape(1), context.shape(2))
    let rank = pool.spatialRank + 2
    for (name, found) in [("tensor_in", input), ("tensor_out", output), ("out_backprop", gradient)] where found.rank != rank {
        throw Status.invalidArgument("\(name) must be \(rank)-dimensional")
    }
    let (shape, expected) = try pool.plan(input)
    guard output == expected else {
        throw Status.invalidArgument("Expected orig_output shape to be \(expected), but got \(output)")
    }
    guard gradient == (gathers ? input : expected) else {
        throw Status.invalidArgument("Expected grad shape to be \(gathers ? input : expected), but got \(gradient)")
    }
    guard shape.input.volume <= Int(Int32.max) else {
        throw Status.invalidArgument("an image of \(shape.input.volume) pixels is too large")
    }
    return (shape, gathers ? expected : input)
}

struct MaxPoolGradientVisitor: RealVisitor {
    /// Whether the op is the gradient of the gradient, which gathers instead of scattering.
    let gathers: Bool
    let attributes: PoolAttributeSource
    init(gathers: Bool, attributes: @escaping PoolAttributeSource) { (self.gathers, self.attributes) = (gathers, attributes) }

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let (gathers, attributes) = (gathers, attributes)
        return .sync { context in
            let pool = try attributes(context)
            let (shape, resultShape) = try maxPoolGradientPlan(context, pool, gathers: gathers)
            let result = try context.output(0, E.dtype, resultShape).mutableElements(E.self)
            let (values, flow) = (context.elements(0, E.self).start, context.elements(2, E.self).start)
            guard context.shape(0).elementCount > 0 else { return result.update(repeating: .zero) }
            if gathers {
                maxPoolGather(shape, values, flow, result.start, context.pool)
            } else {
                // TensorFlow's 3-D kernel gives the gradient to all elements equal to the maximum.
                maxPoolGradient(shape, values, flow, result.start, toAll: pool.spatialRank == 3, context.pool)
            }
        }
    }
}
