import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

private let inputsOfU = "x: T, scale: U, offset: U, mean: U, variance: U"
private let outputsOfU = "y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, reserve_space_2: U"
private let options = ["epsilon: float = 9.99999975e-05", "exponential_avg_factor: float = 1"]
private let imageFormat = ["data_format: {'NHWC', 'NCHW'} = 'NHWC'", "is_training: bool = true"]
private let halves = DTypeSet(.float16, .bfloat16, .float32)

extension OpDefinition {
    /// Batch normalization: each channel is normalized to mean 0 and variance 1, then scaled and shifted.
    static let fusedBatchNorm = OpDefinition(
        "FusedBatchNorm",
        "(x: T, scale: T, offset: T, mean: T, variance: T) -> (y: T, batch_mean: T, batch_variance: T, reserve_space_1: T, reserve_space_2: T)",
        attributes: ["T: {float}"] + options + imageFormat
    )
    .shape(batchNormShape)
    .sharding(ShardingRule.batchNormalization)
    .gradient { g in try batchNormGradient(g, "FusedBatchNormGrad") }
    .kernel(["T": DTypeSet(.float32)], gpu: ["T": DTypeSet(.float32)], make: batchNormKernel)
    .cuda(cudaBatchNorm)

    /// Like `FusedBatchNorm`, with moments in float32 for any dtype of the images.
    static let fusedBatchNormV2 = OpDefinition(
        "FusedBatchNormV2", "(\(inputsOfU)) -> (\(outputsOfU))",
        attributes: ["T: {half, bfloat16, float}", "U: {float}"] + options + imageFormat
    )
    .shape(batchNormShape)
    .sharding(ShardingRule.batchNormalization)
    .gradient { g in try batchNormGradient(g, "FusedBatchNormGradV2") }
    .kernel(
        ["T": halves, "U": DTypeSet(.float32)], gpu: ["T": halves, "U": DTypeSet(.float32)], make: batchNormKernel
    )
    .cuda(cudaBatchNorm)

    /// Like `FusedBatchNormV2`, with an additional reserve output that GPU kernels use, and with support for volumes.
    static let fusedBatchNormV3 = OpDefinition(
        "FusedBatchNormV3", "(\(inputsOfU)) -> (\(outputsOfU), reserve_space_3: U)",
        attributes: ["T: {half, bfloat16, float}", "U: {bfloat16, float}"] + options + [
            "data_format: {'NHWC', 'NCHW', 'NDHWC', 'NCDHW'} = 'NHWC'", "is_training: bool = true",
        ]
    )
    .shape(batchNormShape)
    .sharding(ShardingRule.batchNormalization)
    .gradient { g in try batchNormGradient(g, "FusedBatchNormGradV3") }
    .kernel(
        ["T": halves, "U": DTypeSet(.float32)], gpu: ["T": halves, "U": DTypeSet(.float32)], make: batchNormKernel
    )
    .cuda(cudaBatchNorm)

    /// Like `FusedBatchNormV3`, followed by the addition of a side input and an activation.
    static let fusedBatchNormEx = OpDefinition(
        "_FusedBatchNormEx", "(\(inputsOfU), side_input: num_side_inputs * T) -> (\(outputsOfU), reserve_space_3: U)",
        attributes: ["T: {half, float, bfloat16}", "U: {float}"] + options + [
            "num_side_inputs: int >= 0 = 0", "activation_mode: string = 'Identity'",
        ] + imageFormat
    )
    .shape(batchNormShape)
    .sharding(ShardingRule.batchNormalization)
    .kernel(
        ["T": halves, "U": DTypeSet(.float32)], gpu: ["T": halves, "U": DTypeSet(.float32)], make: batchNormKernel
    )
    .cuda(cudaBatchNorm)
}

@Sendable private func batchNormShape(_ c: inout ShapeContext) throws {
    let x = c.input(0)
    if let rank = x.rank, rank != 4, rank != 5 { throw Status.invalidArgument("Shape must be rank 4 but is rank \(rank)") }
    let channelsFirst = c.attributes.string("data_format")?.hasPrefix("NC") ?? false
    let isTraining = c.attributes.bool("is_training") ?? true
    var channels = x[channelsFirst ? 1 : -1]
    for index in 1..<(isTraining ? 3 : 5) {
        try c.requireRank(index, 1)
        if let found = c.input(index)[0] {
            if let channels, channels != found {
                throw Status.invalidArgument("Dimensions must be equal, but are \(found) and \(channels)")
            }
            channels = found
        }
    }
    c.setOutput(0, x.rank == nil ? x : x.replacing(channelsFirst ? 1 : -1, with: channels))
    for index in 1...4 { c.setOutput(index, .vector(channels)) }
}

/// Returns the gradients, computed with the saved batch moments when training and otherwise with the given moments.
private func batchNormGradient(_ g: GradientContext, _ op: String) throws -> [Output?] {
    let isTraining = g.attributes.bool("is_training") ?? true
    let names = ["epsilon", "data_format", "is_training"]
    let attributes = Attributes(g.attributes.values.filter { names.contains($0.key) })
    let moments = isTraining ? [g.outputs[3], g.outputs[4]] : [g.inputs[3], g.inputs[4]]
    var inputs = [g.gradient(), g.inputs[0], g.inputs[1]] + moments
    if op.hasSuffix("V3") { inputs.append(g.outputs[5]) }
    let parts = g.ops(op, inputs, attributes: attributes)
    guard parts.count >= 3 else { return [nil, nil, nil, nil, nil] }
    return [parts[0], parts[1], parts[2], nil, nil]
}

private func batchNormNode(_ request: KernelRequest) throws -> BatchNormNode {
    let node = BatchNormNode(
        channelsFirst: try request.string("data_format").hasPrefix("NC"), isTraining: try request.bool("is_training"),
        epsilon: try request.float("epsilon"), factor: try request.float("exponential_avg_factor"),
        hasReserve: request.outputTypes.count == 6, activation: request.attributes.string("activation_mode") ?? "Identity")
    guard ["Identity", "Relu"].contains(node.activation) else {
        throw Status.unimplemented("\(request.op.name) node '\(request.name)': activation mode \(node.activation) is not supported")
    }
    return node
}

@Sendable private func cudaBatchNorm(_ request: KernelRequest) throws -> Kernel {
    try cudaBatchNormKernel(request, batchNormNode(request))
}

@Sendable private func batchNormKernel(_ request: KernelRequest) throws -> Kernel {
    let node = try batchNormNode(request)
    switch try request.type("T") {
    case .float32: return .sync { try node.run($0, Float.self) }
    case .float16: return .sync { try node.run($0, Float16.self) }
    case .bfloat16: return .sync { try node.run($0, BFloat16.self) }
    default: throw request.unsupportedType("T")
    }
}

struct BatchNormNode: Sendable {
    let channelsFirst: Bool
    let isTraining: Bool
    let epsilon: Float
    let factor: Float
    /// Whether the op has a sixth output, `reserve_space_3`.
    let hasReserve: Bool
    let activation: String

    func check(_ context: borrowing KernelContext) throws -> ChannelLayout {
        let x = context.shape(0)
        guard x.rank == 4 || x.rank == 5 else { throw Status.invalidArgument("input must be 4 or 5-dimensional\(x)") }
        let names = ["x", "scale", "offset", "mean", "variance"]
        for index in 1...4 where context.shape(index).rank != 1 {
            throw Status.invalidArgument("\(names[index]) must be 1-dimensional\(context.shape(index))")
        }
        let layout = try ChannelLayout(x, channelsFirst: channelsFirst)
        func require(_ index: Int, _ condition: String) throws {
            guard context.shape(index)[0] == layout.channels else {
                throw Status.invalidArgument(
                    "\(condition)\(names[index]) must have the same number of elements as the channels of x, got \(context.shape(index)[0]) and \(layout.channels)"
                )
            }
        }
        try require(1, "")
        try require(2, "")
        if !isTraining {
            try require(3, "When is_training=false, ")
            try require(4, "When is_training=false, ")
        } else if factor != 1 {
            try require(3, "When exponential_avg_factor != 1, ")
            try require(4, "When exponential_avg_factor != 1, ")
        }
        return layout
    }

    func run<E: FloatingElement>(_ context: borrowing KernelContext, _ type: E.Type) throws where E.Compute == Float {
        let layout = try check(context)
        let shape = context.shape(0), channels = Shape(layout.channels)
        let y = try context.output(0, E.dtype, shape)
        let outputs = try (1...4).map { try context.output($0, .float32, channels).mutableElements(Float.self) }
        if hasReserve { try context.output(5, .float32, .scalar).mutableElements(Float.self)[0] = 0 }
        guard shape.elementCount > 0 else {
            for output in outputs { output.update(repeating: .nan) }
            return
        }
        let wide = try context.input(0).widened(from: E.self)
        let x = channelsFirst ? try wide.channelsLast(layout) : wide
        let rows = ChannelRows(rows: layout.outer * layout.inner, channels: layout.channels, pool: context.pool)
        defer { keepAlive(x) }
        let source = x.elements(Float.self).start
        let givenMean = context.elements(3, Float.self), givenVariance = context.elements(4, Float.self)
        // Writes directly to the output if it has float elements and the channels last.
        let result = channelsFirst || E.self != Float.self ? try Tensor(.float32, Shape(x.elementCount)) : y
        defer { keepAlive(result) }
        let target = result.mutableElements(Float.self)
        let scale = context.elements(1, Float.self), offset = context.elements(2, Float.self)
        if isTraining {
            let (mean, variance) = try rows.moments(source)
            defer { keepAlive((mean, variance)) }
            let means = mean.elements(Float.self), variances = variance.elements(Float.self)
            rows.normalize(source, means, variances, scale, offset, epsilon, target.start)
            // The running variance uses the unbiased estimate of the population's variance.
            let correction = Float(rows.rows) / Float(max(rows.rows - 1, 1))
            for channel in 0..<layout.channels {
                let unbiased = variances[channel] * correction
                outputs[0][channel] = factor == 1 ? means[channel] : (1 - factor) * givenMean[channel] + factor * means[channel]
                outputs[1][channel] = factor == 1 ? unbiased : (1 - factor) * givenVariance[channel] + factor * unbiased
                outputs[2][channel] = means[channel]
                outputs[3][channel] = variances[channel]
            }
        } else {
            rows.normalize(source, givenMean, givenVariance, scale, offset, epsilon, target.start)
            for channel in 0..<layout.channels {
                (outputs[0][channel], outputs[2][channel]) = (givenMean[channel], givenMean[channel])
                (outputs[1][channel], outputs[3][channel]) = (givenVariance[channel], givenVariance[channel])
            }
        }
        let plain = channelsFirst ? try result.channelsFirst(layout) : result
        defer { keepAlive(plain) }
        try finish(context, plain.mutableElements(Float.self), shape, E.self)
        if !plain.sharesMemory(with: y) { narrowElements(plain.elements(Float.self), y.mutableElements(E.self)) }
    }

    func checkSide(_ side: Tensor, _ shape: Shape) throws {
        guard side.shape == shape else {
            throw Status.invalidArgument("side_input shape must be equal to input shape: \(side.shape) != \(shape)")
        }
    }

    /// Adds the side input and applies the activation, if the op has them.
    private func finish<E: FloatingElement>(
        _ context: borrowing KernelContext, _ y: UnsafeMutableBufferPointer<Float>, _ shape: Shape, _ type: E.Type
    ) throws where E.Compute == Float {
        for index in 5..<max(5, context.inputCount) {
            let side = context.input(index)
            try checkSide(side, shape)
            let values = side.elements(E.self)
            for element in 0..<y.count { y[element] += values[element].compute }
        }
        if activation == "Relu" { ReluFunction().apply(inPlace: y) }
    }
}

extension Tensor {
    /// Returns a float tensor with the channels moved from the middle to the end.
    func channelsLast(_ layout: ChannelLayout) throws -> Tensor { try exchanged(layout.outer, layout.channels, layout.inner) }
    /// Returns a float tensor with the channels moved from the end to the middle.
    func channelsFirst(_ layout: ChannelLayout) throws -> Tensor { try exchanged(layout.outer, layout.inner, layout.channels) }

    private func exchanged(_ blocks: Int, _ rows: Int, _ columns: Int) throws -> Tensor {
        let result = try Tensor(.float32, shape)
        defer { keepAlive((self, result)) }
        let (source, target) = (elements(Float.self).start, result.mutableElements(Float.self).start)
        for block in 0..<blocks {
            transposeMatrix(source + block * rows * columns, target + block * rows * columns, rows, columns)
        }
        return result
    }
}
