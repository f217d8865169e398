import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

private let epsilonAttribute = "epsilon: float = 9.99999975e-05"
private let imageFormat = ["data_format: {'NHWC', 'NCHW'} = 'NHWC'", "is_training: bool = true"]
private let halves = DTypeSet(.float16, .bfloat16, .float32)

extension OpDefinition {
    /// The gradients of `FusedBatchNorm`.
    static let fusedBatchNormGrad = OpDefinition(
        "FusedBatchNormGrad",
        "(y_backprop: T, x: T, scale: T, reserve_space_1: T, reserve_space_2: T) -> (x_backprop: T, scale_backprop: T, offset_backprop: T, reserve_space_3: T, reserve_space_4: T)",
        attributes: ["T: {float}", epsilonAttribute] + imageFormat
    )
    .shape(batchNormGradShape)
    .kernel(["T": DTypeSet(.float32)], gpu: ["T": DTypeSet(.float32)], make: batchNormGradKernel)
    .cuda(cudaBatchNormGrad)

    /// The gradients of `FusedBatchNormV2`.
    static let fusedBatchNormGradV2 = OpDefinition(
        "FusedBatchNormGradV2",
        "(y_backprop: T, x: T, scale: float, reserve_space_1: U, reserve_space_2: U) -> (x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_3: U, reserve_space_4: U)",
        attributes: ["T: {half, bfloat16, float}", "U: {float}", epsilonAttribute] + imageFormat
    )
    .shape(batchNormGradShape)
    .kernel(
        ["T": halves, "U": DTypeSet(.float32)], gpu: ["T": halves, "U": DTypeSet(.float32)], make: batchNormGradKernel
    )
    .cuda(cudaBatchNormGrad)

    /// The gradients of `FusedBatchNormV3`.
    static let fusedBatchNormGradV3 = OpDefinition(
        "FusedBatchNormGradV3",
        "(y_backprop: T, x: T, scale: float, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U) -> (x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_4: U, reserve_space_5: U)",
        attributes: [
            "T: {half, bfloat16, float}", "U: {float}", epsilonAttribute,
            "data_format: {'NHWC', 'NCHW', 'NDHWC', 'NCDHW'} = 'NHWC'", "is_training: bool = true",
        ]
    )
    .shape(batchNormGradShape)
    .kernel(
        ["T": halves, "U": DTypeSet(.float32)], gpu: ["T": halves, "U": DTypeSet(.float32)], make: batchNormGradKernel
    )
    .cuda(cudaBatchNormGrad)
}

@Sendable private func batchNormGradShape(_ c: inout ShapeContext) throws {
    let x = try c.input(0).merging(c.input(1))
    if let rank = x.rank, rank != 4, rank != 5 { throw Status.invalidArgument("Shape must be rank 4 but is rank \(rank)") }
    let channelsFirst = c.attributes.string("data_format")?.hasPrefix("NC") ?? false
    var channels = x[channelsFirst ? 1 : -1]
    for index in 2...4 {
        try c.requireRank(index, 1)
        if let found = c.input(index)[0] {
            if let channels, channels != found {
                throw Status.invalidArgument("Dimensions must be equal, but are \(found) and \(channels)")
            }
            channels = found
        }
    }
    c.setOutput(0, x.rank == nil ? x : x.replacing(channelsFirst ? 1 : -1, with: channels))
    c.setOutput(1, .vector(channels))
    c.setOutput(2, .vector(channels))
    c.setOutput(3, .vector(0))
    c.setOutput(4, .vector(0))
}

private func batchNormGradNode(_ request: KernelRequest) throws -> BatchNormGradNode {
    BatchNormGradNode(
        channelsFirst: try request.string("data_format").hasPrefix("NC"), isTraining: try request.bool("is_training"),
        epsilon: try request.float("epsilon"))
}

@Sendable private func cudaBatchNormGrad(_ request: KernelRequest) throws -> Kernel {
    try cudaBatchNormGradKernel(request, batchNormGradNode(request))
}

@Sendable private func batchNormGradKernel(_ request: KernelRequest) throws -> Kernel {
    let node = try batchNormGradNode(request)
    switch try request.type("T") {
    case .float32: return .sync { try node.run($0, Float.self) }
    case .float16: return .sync { try node.run($0, Float16.self) }
    case .bfloat16: return .sync { try node.run($0, BFloat16.self) }
    default: throw request.unsupportedType("T")
    }
}

struct BatchNormGradNode: Sendable {
    let channelsFirst: Bool
    let isTraining: Bool
    let epsilon: Float

    func check(_ context: borrowing KernelContext) throws -> ChannelLayout {
        let gradient = context.shape(0), x = context.shape(1)
        guard gradient.rank == 4 || gradient.rank == 5, x.rank == 4 || x.rank == 5 else {
            throw Status.invalidArgument("input must be 4 or 5-dimensional\(gradient.rank == 4 || gradient.rank == 5 ? x : gradient)")
        }
        for (index, name) in [(2, "scale"), (3, "saved mean"), (4, "saved variance")] where context.shape(index).rank != 1 {
            throw Status.invalidArgument("\(name) must be 1-dimensional\(context.shape(index))")
        }
        guard x == gradient else {
            throw Status.invalidArgument(
                "x and y_backprop must have same shape, but x has shape \(x) and y_backprop has shape \(gradient)")
        }
        let layout = try ChannelLayout(x, channelsFirst: channelsFirst)
        for (index, name) in [(2, "scale"), (3, "reserve_space_1"), (4, "reserve_space_2")]
        where context.shape(index)[0] != layout.channels {
            throw Status.invalidArgument(
                "\(name) must have the same number of elements as the channels of x, got \(context.shape(index)[0]) and \(layout.channels)")
        }
        return layout
    }

    func run<E: FloatingElement>(_ context: borrowing KernelContext, _ type: E.Type) throws where E.Compute == Float {
        let layout = try check(context)
        let shape = context.shape(1), channels = layout.channels
        let output = try context.output(0, E.dtype, shape)
        let scaleGradient = try context.output(1, .float32, Shape(channels)).mutableElements(Float.self)
        let offsetGradient = try context.output(2, .float32, Shape(channels)).mutableElements(Float.self)
        // Two empty outputs, which only older GPU kernels of TensorFlow filled.
        _ = try context.output(3, .float32, Shape(0))
        _ = try context.output(4, .float32, Shape(0))
        guard shape.elementCount > 0 else {
            scaleGradient.update(repeating: 0)
            offsetGradient.update(repeating: 0)
            return
        }
        let wideGradient = try context.input(0).widened(from: E.self), wide = try context.input(1).widened(from: E.self)
        let dy = channelsFirst ? try wideGradient.channelsLast(layout) : wideGradient
        let x = channelsFirst ? try wide.channelsLast(layout) : wide
        let rows = ChannelRows(rows: layout.outer * layout.inner, channels: channels, pool: context.pool)
        defer { keepAlive((dy, x)) }
        let (flow, values) = (dy.elements(Float.self).start, x.elements(Float.self).start)
        let scale = context.elements(2, Float.self)
        let mean = context.elements(3, Float.self), variance = context.elements(4, Float.self)

        let flowSum = try rows.sums { offset, sums in
            let source = flow + offset
            for channel in 0..<channels { sums[channel] += source[channel] }
        }
        let productSum = try rows.sums { offset, sums in
            let (source, value) = (flow + offset, values + offset)
            for channel in 0..<channels { sums[channel] = sums[channel].addingProduct(source[channel], value[channel] - mean[channel]) }
        }
        defer { keepAlive((flowSum, productSum)) }
        let (flows, products) = (flowSum.elements(Float.self), productSum.elements(Float.self))
        let result = channelsFirst || E.self != Float.self ? try Tensor(.float32, Shape(x.elementCount)) : output
        defer { keepAlive(result) }
        let target = result.mutableElements(Float.self).start

        // dx = factor · (dy - meanFlow - (x - mean) · slope). Without training the moments are constants, so meanFlow and slope
        // are 0.
        let parts = try Tensor(.float32, Shape(3, channels))
        defer { keepAlive(parts) }
        let factor = parts.mutableElements(Float.self).start, meanFlow = factor + channels, slope = meanFlow + channels
        let count = Float(rows.rows)
        for channel in 0..<channels {
            let inverse = 1 / (variance[channel] + epsilon).squareRoot()
            scaleGradient[channel] = products[channel] * inverse
            offsetGradient[channel] = flows[channel]
            factor[channel] = scale[channel] * inverse
            meanFlow[channel] = isTraining ? flows[channel] / count : 0
            slope[channel] = isTraining ? products[channel] / count * inverse * inverse : 0
        }
        rows.forEachPart { range in
            for row in range {
                let (source, value, goal) = (flow + row &* channels, values + row &* channels, target + row &* channels)
                for channel in 0..<channels {
                    let part = (value[channel] - mean[channel]) * slope[channel]
                    goal[channel] = factor[channel] * (source[channel] - meanFlow[channel] - part)
                }
            }
        }
        let plain = channelsFirst ? try result.channelsFirst(layout) : result
        defer { keepAlive(plain) }
        if !plain.sharesMemory(with: output) { narrowElements(plain.elements(Float.self), output.mutableElements(E.self)) }
    }
}
