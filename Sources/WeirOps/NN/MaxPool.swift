public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The maximum of each window.
    static let maxPool = OpDefinition(
        "MaxPool", "(input: T) -> (output: T)",
        "T: {half, bfloat16, float, double, int32, int64, uint8, int16, int8, uint16, qint8} = float",
        "ksize: list(int) >= 4", "strides: list(int) >= 4", "padding: {'SAME', 'VALID', 'EXPLICIT'}",
        "explicit_paddings: list(int) = []", "data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'"
    )
    .shape { c in
        if try packedPoolShape(&c) { return }
        c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 2).partial(c.input(0)))
    }
    .sharding(ShardingRule.pooling)
    .gradient { g in
        [g.op("MaxPoolGrad", g.inputs[0], g.outputs[0], g.gradient(), attributes: poolAttributes(g, explicit: true))]
    }
    .kernel(["T": .real], gpu: ["T": .floating]) { request in
        let attributes = try PoolAttributes(request.attributes, spatialRank: 2)
        return try request.real("T", MaxPoolVisitor { _ in attributes })
    }
    .cuda { request in
        let attributes = try PoolAttributes(request.attributes, spatialRank: 2)
        return try cudaMaxPool(request) { _ in attributes }
    }

    /// The maximum of each window, with the window's size and stride as inputs.
    static let maxPoolV2 = OpDefinition(
        "MaxPoolV2", "(input: T, ksize: int32, strides: int32) -> (output: T)",
        "T: {half, bfloat16, float, double, int32, int64, uint8, int16, int8, uint16, qint8} = float",
        "padding: {'SAME', 'VALID'}", "data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'"
    )
    .shape { c in
        if try packedPoolShape(&c) { return }
        guard let window = try c.constant(1)?.integers("ksize"), let stride = try c.constant(2)?.integers("strides") else {
            return c.setOutput(0, .ofRank(4))
        }
        let attributes = try PoolAttributes(c.attributes, spatialRank: 2, window: window, stride: stride)
        c.setOutput(0, try attributes.partial(c.input(0)))
    }
    .sharding(ShardingRule.pooling)
    .gradient { g in
        let attributes = poolAttributes(g, explicit: false)
        let inputs = [g.inputs[0], g.outputs[0], g.gradient(), g.inputs[1], g.inputs[2]]
        return [g.ops("MaxPoolGradV2", inputs, attributes: attributes).first, nil, nil]
    }
    .kernel(["T": .real], gpu: ["T": .floating], hostMemory: ["ksize", "strides"]) { request in
        let attributes = request.attributes
        return try request.real("T", MaxPoolVisitor { try poolAttributes(attributes, $0, windowInput: 1) })
    }
    .cuda { request in
        let attributes = request.attributes
        return try cudaMaxPool(request) { try poolAttributes(attributes, $0, windowInput: 1) }
    }
}

/// Infers the shape for the data format NCHW_VECT_C, which the kernel refuses.
/// - Returns: false for other formats.
private func packedPoolShape(_ c: inout ShapeContext) throws -> Bool {
    guard PoolAttributes.packsChannels(c.attributes) else { return false }
    try c.requireRank(0, 5)
    c.setOutput(0, .ofRank(5))
    return true
}

/// Returns the pooling attributes of a node, for the node of its gradient.
func poolAttributes(_ g: GradientContext, explicit: Bool) -> Attributes {
    let names = ["ksize", "strides", "padding", "data_format"] + (explicit ? ["explicit_paddings"] : [])
    return Attributes(g.attributes.values.filter { names.contains($0.key) })
}

/// Returns the attributes of a `V2` op, whose window and stride are the inputs from `windowInput` on.
func poolAttributes(_ attributes: Attributes, _ context: borrowing KernelContext, windowInput: Int) throws -> PoolAttributes {
    try PoolAttributes(
        attributes, spatialRank: 2, window: context.input(windowInput).integers("ksize"),
        stride: context.input(windowInput + 1).integers("strides"))
}

/// A closure that returns the pooling attributes for a call of a kernel.
typealias PoolAttributeSource = @Sendable (borrowing KernelContext) throws -> PoolAttributes

func cudaMaxPool(_ request: KernelRequest, _ attributes: @escaping PoolAttributeSource) throws -> Kernel {
    let dtype = try request.type("T")
    let pool = try CUDAPool(request, dtype)
    let greatest: Double =
        switch dtype {
        case .float16: Double(Float16.greatestFiniteMagnitude)
        case .bfloat16: Double(Float(bitPattern: 0x7f7f_0000))
        case .float32: Double(Float.greatestFiniteMagnitude)
        default: .greatestFiniteMagnitude
        }
    return .sync { context in
        let attributes = try attributes(context)
        let (shape, outputShape) = try attributes.plan(context.shape(0))
        let output = try context.output(0, dtype, outputShape)
        guard outputShape.elementCount > 0 else { return }
        try pool.maxima(shape, context.input(0), output, atLeast: attributes.spatialRank == 2 ? -greatest : -.infinity)
    }
}

struct MaxPoolVisitor: RealVisitor {
    /// Called once per kernel call.
    let attributes: PoolAttributeSource
    init(_ attributes: @escaping PoolAttributeSource) { self.attributes = attributes }

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let attributes = attributes
        return .sync { context in
            let attributes = try attributes(context)
            let (shape, outputShape) = try attributes.plan(context.shape(0))
            let lowest: E = attributes.spatialRank == 2 ? .lowestFinite : .lowest
            let output = try context.output(0, E.dtype, outputShape)
            guard outputShape.elementCount > 0 else { return }
            maxPoolWindows(shape, context.elements(0, E.self).start, output.mutableElements(E.self).start, atLeast: lowest, context.pool)
        }
    }
}

extension Output {
    /// Returns the maximum of each window over height and width (MaxPool).
    public func maxPool(window: (Int, Int), strides: (Int, Int), padding: Padding = .valid) -> Output {
        builder.add(
            "MaxPool", [self],
            attributes: [
                "ksize": .ints([1, window.0, window.1, 1]), "strides": .ints([1, strides.0, strides.1, 1]),
                "padding": padding.attribute,
            ])[0]
    }
}
