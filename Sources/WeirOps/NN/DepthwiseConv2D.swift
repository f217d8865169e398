public import WeirGraph
import WeirKernels
import WeirTensor

private let depthwiseAttributes = [
    "T: {half, bfloat16, float, double}", "strides: list(int)", "padding: {'SAME', 'VALID', 'EXPLICIT'}",
    "explicit_paddings: list(int) = []", "data_format: {'NHWC', 'NCHW'} = 'NHWC'", "dilations: list(int) = [1, 1, 1, 1]",
]

extension OpDefinition {
    /// A convolution of each channel separately, with `multiplier` filters per channel.
    static let depthwiseConv2dNative = OpDefinition(
        "DepthwiseConv2dNative", "(input: T, filter: T) -> (output: T)", attributes: depthwiseAttributes
    )
    .shape(depthwiseShape)
    .sharding(ShardingRule.depthwiseConvolution)
    .cost { c in 2 * c.outputCount() * c.inputSize(1, 0) * c.inputSize(1, 1) }
    .gradient { g in
        let attributes = sharedDepthwiseAttributes(g)
        return [
            g.op(inputOp, g.shape(g.inputs[0]), g.inputs[1], g.gradient(), attributes: attributes),
            g.op(filterOp, g.inputs[0], g.shape(g.inputs[1]), g.gradient(), attributes: attributes),
        ]
    }
    .kernel(["T": .floating], gpu: ["T": .floating]) { try convolutionKernel($0, .output, spatialRank: 2, isDepthwise: true) }
    .cuda { try cudaConvolutionKernel($0, .output, spatialRank: 2, isDepthwise: true) }

    /// The gradient of a depthwise convolution with respect to its input.
    static let depthwiseConv2dNativeBackpropInput = OpDefinition(
        "DepthwiseConv2dNativeBackpropInput", "(input_sizes: int32, filter: T, out_backprop: T) -> (output: T)",
        attributes: depthwiseAttributes
    )
    .shape { c in try convolutionSizesShape(&c, 0, spatialRank: 2) }
    .gradient { g in
        let attributes = sharedDepthwiseAttributes(g)
        return [
            nil, g.op(filterOp, g.gradient(), g.shape(g.inputs[1]), g.inputs[2], attributes: attributes),
            g.op("DepthwiseConv2dNative", g.gradient(), g.inputs[1], attributes: attributes),
        ]
    }
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["input_sizes"]) {
        try convolutionKernel($0, .inputGradient, spatialRank: 2, isDepthwise: true)
    }
    .cuda { try cudaConvolutionKernel($0, .inputGradient, spatialRank: 2, isDepthwise: true) }

    /// The gradient of a depthwise convolution with respect to its filter.
    static let depthwiseConv2dNativeBackpropFilter = OpDefinition(
        "DepthwiseConv2dNativeBackpropFilter", "(input: T, filter_sizes: int32, out_backprop: T) -> (output: T)",
        attributes: depthwiseAttributes
    )
    .shape { c in try convolutionSizesShape(&c, 1, spatialRank: 2) }
    .gradient { g in
        let attributes = sharedDepthwiseAttributes(g)
        return [
            g.op(inputOp, g.shape(g.inputs[0]), g.gradient(), g.inputs[2], attributes: attributes), nil,
            g.op("DepthwiseConv2dNative", g.inputs[0], g.gradient(), attributes: attributes),
        ]
    }
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["filter_sizes"]) {
        try convolutionKernel($0, .filterGradient, spatialRank: 2, isDepthwise: true)
    }
    .cuda { try cudaConvolutionKernel($0, .filterGradient, spatialRank: 2, isDepthwise: true) }
}

private let inputOp = "DepthwiseConv2dNativeBackpropInput"
private let filterOp = "DepthwiseConv2dNativeBackpropFilter"

private func sharedDepthwiseAttributes(_ g: GradientContext) -> Attributes {
    let names = ["strides", "padding", "explicit_paddings", "data_format", "dilations"]
    return Attributes(g.attributes.values.filter { names.contains($0.key) })
}

@Sendable func depthwiseShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 4)
    try c.requireRank(1, 4)
    let attributes = try ConvolutionAttributes(c.attributes, spatialRank: 2)
    let (input, filter) = (c.input(0), c.input(1))
    guard input.rank != nil else { return c.setOutput(0, .ofRank(4)) }
    let channelAxis = attributes.channelsFirst ? 1 : 3
    if let depth = input[channelAxis], let found = filter[2], depth != found {
        throw Status.invalidArgument("Dimensions must be equal, but are \(depth) and \(found)")
    }
    var output = [Int?](repeating: nil, count: 4)
    output[0] = input[0]
    if let depth = filter[2] ?? input[channelAxis], let multiplier = filter[3] {
        let (product, overflow) = depth.multipliedReportingOverflow(by: multiplier)
        if overflow { throw Status.invalidArgument("Filter shape \(filter) is too large") }
        output[channelAxis] = product
    }
    for axis in 1...2 {
        let position = axis + (attributes.channelsFirst ? 1 : 0)
        for size in [input[position], filter[axis - 1]] where size ?? 0 > maximumWindowParameter {
            throw Status.invalidArgument("Dimension \(size ?? 0) is too large")
        }
        output[position] = try attributes.padding.partialWindows(
            axis, input: input[position], window: filter[axis - 1], dilation: attributes.dilation[axis],
            stride: attributes.stride[axis])
    }
    c.setOutput(0, PartialShape(output))
}

extension Output {
    /// Returns the convolution of each channel with its own filters, `[height, width, channels, multiplier]`
    /// (DepthwiseConv2dNative).
    public func depthwiseConv2D(_ filter: Output, strides: (Int, Int) = (1, 1), padding: Padding = .same) -> Output {
        builder.add(
            "DepthwiseConv2dNative", [self, filter],
            attributes: ["strides": .ints([1, strides.0, strides.1, 1]), "padding": padding.attribute])[0]
    }
}
