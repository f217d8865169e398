public import WeirGraph
import WeirKernels
import WeirTensor

private let numericTypes =
    "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, complex128, half, uint32, uint64}"

extension OpDefinition {
    /// Adds a vector along the channel dimension.
    static let biasAdd = OpDefinition(
        "BiasAdd", "(value: T, bias: T) -> (output: T)", numericTypes, "data_format: {'NHWC', 'NCHW'} = 'NHWC'"
    )
    .fusing(as: .bias)
    .shape(biasAddShape)
    .sharding(biasAddSharding)
    .elementwise { attributes in
        guard attributes.type("T") == .float32, attributes.string("data_format") != "NCHW",
            let sum = BinaryLoop.modular(Functions.Plus.self, .float32)
        else { return nil }
        return .binary(.bias, sum.run)
    }
    .gradient { g in
        let format: Attributes = ["data_format": .string(g.attributes.string("data_format") ?? "NHWC")]
        return [g.gradient(), g.op("BiasAddGrad", g.gradient(), attributes: format)]
    }
    .kernel(["T": .numeric], gpu: ["T": biasGPUTypes]) { request in
        try request.wrapping("T", BiasAddVisitor(channelsFirst: try request.string("data_format") == "NCHW"))
    }
    .cuda { try cudaBiasAdd($0, channelsFirst: try $0.string("data_format") == "NCHW") }

    /// Adds a vector along the last dimension.
    static let biasAddV1 = OpDefinition("BiasAddV1", "(value: T, bias: T) -> (output: T)", numericTypes)
        .shape(biasAddShape)
        .sharding(biasAddSharding)
        .gradient { g in
            let rank = g.op("Sub", g.op("Rank", g.gradient()), g.constant(Tensor(Int32(1))))
            let axes = g.op("Range", g.constant(Tensor(Int32(0))), rank, g.constant(Tensor(Int32(1))))
            return [g.gradient(), g.op("Sum", g.gradient(), axes)]
        }
        .kernel(["T": .numeric], gpu: ["T": biasGPUTypes]) { try $0.wrapping("T", BiasAddVisitor(channelsFirst: false)) }
        .cuda { try cudaBiasAdd($0, channelsFirst: false) }
}

@Sendable private func biasAddSharding(_ c: ShardingContext) -> ShardingRule? {
    guard let rank = c.input(0).rank, rank >= 2 else { return nil }
    let labels = ShardingContext.labels(rank)
    let channels = labels[c.attributes.string("data_format") == "NCHW" ? 1 : rank - 1]
    return ShardingRule(inputs: [labels, [channels]], outputs: [labels])
}

private let biasGPUTypes: DTypeSet = [.floating, DTypeSet(.int32)]

extension KernelRequest {
    /// Returns the kernel of an op that only adds and multiplies. Signed integers use the kernel of the unsigned type of the
    /// same size. So the kernel must not derive its outputs' dtype from the element type.
    func wrapping(_ attribute: String, _ visitor: some NumericVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .int8: try visitor.visit(UInt8.self)
        case .int16: try visitor.visit(UInt16.self)
        case .int32: try visitor.visit(UInt32.self)
        case .int64: try visitor.visit(UInt64.self)
        default: try numeric(attribute, visitor)
        }
    }
}

@Sendable private func biasAddShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, atLeast: 2)
    try c.requireRank(1, 1)
    guard c.input(0).rank != nil else { return }
    let channel = c.attributes.string("data_format") == "NCHW" ? 1 : -1
    let (found, bias) = (c.input(0)[channel], c.input(1)[0])
    if let found, let bias, found != bias {
        throw Status.invalidArgument("Dimensions must be equal, but are \(found) and \(bias)")
    }
    c.setOutput(0, c.input(0).replacing(channel, with: found ?? bias))
}

/// The position of the channel dimension: `outer` blocks of `channels` rows, each with `inner` elements of one channel.
struct ChannelLayout {
    var outer: Int
    var channels: Int
    var inner: Int

    /// - Throws: `invalidArgument` when the shape has fewer than two dimensions.
    init(_ shape: Shape, channelsFirst: Bool) throws {
        guard shape.rank >= 2 else { throw Status.invalidArgument("Input tensor must be at least 2D: \(shape)") }
        let axis = channelsFirst ? 1 : shape.rank - 1
        channels = shape[axis]
        (outer, inner) = shape.elementCount == 0 ? (0, 0) : (shape.count(..<axis), shape.count((axis + 1)...))
    }
}

/// Checks the shapes and returns the channels' position.
private func biasLayout(_ context: borrowing KernelContext, channelsFirst: Bool) throws -> ChannelLayout {
    let (shape, biasShape) = (context.shape(0), context.shape(1))
    let layout = try ChannelLayout(shape, channelsFirst: channelsFirst)
    guard biasShape.rank == 1 else { throw Status.invalidArgument("Biases must be 1D: \(biasShape)") }
    guard biasShape[0] == layout.channels else {
        throw Status.invalidArgument("Must provide as many biases as the last dimension of the input tensor: \(biasShape) vs. \(shape)")
    }
    return layout
}

private func cudaBiasAdd(_ request: KernelRequest, channelsFirst: Bool) throws -> Kernel {
    let dtype = try request.type("T")
    let program = try CUDAChannelwise(
        request, inputs: [dtype], vectors: [dtype], result: dtype, fields: "C bias;", prepare: "c.bias = p0;", expression: "x + c.bias")
    return .sync { context in
        let layout = try biasLayout(context, channelsFirst: channelsFirst)
        let (value, bias) = (context.input(0), context.input(1))
        try program.run(layout, [value], [bias], try context.output(0, dtype, value.shape, reusing: 0))
    }
}

private struct BiasAddVisitor: NumericVisitor {
    let channelsFirst: Bool
    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        let channelsFirst = channelsFirst
        return .sync { context in
            let layout = try biasLayout(context, channelsFirst: channelsFirst), shape = context.shape(0)
            let (value, bias) = (context.elements(0, E.self), context.elements(1, E.self))
            let output = try context.output(0, context.dtype(0), shape, reusing: 0).mutableElements(E.self)
            guard value.count > 0 else { return }
            if layout.inner == 1 {
                let width = layout.channels
                context.pool.parallelFor(layout.outer, grain: max(1, (1 << 16) / width)) { rows in
                    let start = rows.lowerBound * width, count = rows.count * width
                    addRepeated(value.start + start, bias.start, width, output.start + start, count)
                }
            } else {
                context.pool.parallelFor(layout.outer * layout.channels, grain: max(1, (1 << 16) / layout.inner)) { rows in
                    for row in rows {
                        let offset = bias[row % layout.channels]
                        for index in row * layout.inner..<(row + 1) * layout.inner { output[index] = E.plus(value[index], offset) }
                    }
                }
            }
        }
    }
}

/// Computes `out = value + bias`, with the bias repeated every `width` elements. `out` may be the same memory as `value`.
func addRepeated<E: NumericElement>(
    _ value: UnsafePointer<E>, _ bias: UnsafePointer<E>, _ width: Int, _ out: UnsafeMutablePointer<E>, _ count: Int
) {
    func add(_ bias: UnsafePointer<E>, _ width: Int) {
        var start = 0
        while start < count {
            let (source, target, length) = (value + start, out + start, min(width, count &- start))
            for index in 0..<length { target[index] = E.plus(source[index], bias[index]) }
            start &+= width
        }
    }
    // Repeats a short bias in a buffer, so that the inner loop is long enough for vector instructions.
    guard width < 64, count > width else { return add(bias, width) }
    let copies = min(128 / width, (count + width - 1) / width)
    withUnsafeTemporaryAllocation(of: E.self, capacity: copies * width) { repeated in
        for copy in 0..<copies { (repeated.start + copy * width).update(from: bias, count: width) }
        add(UnsafePointer(repeated.start), copies * width)
    }
}

extension Output {
    /// Adds a vector along the last dimension, or along the second with `channelsFirst` (BiasAdd).
    public func biasAdd(_ bias: Output, channelsFirst: Bool = false) -> Output {
        builder.add("BiasAdd", [self, bias], attributes: ["data_format": .string(channelsFirst ? "NCHW" : "NHWC")])[0]
    }
}
