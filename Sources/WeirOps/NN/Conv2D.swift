public import WeirGraph
import WeirKernels
import WeirTensor

private let convolutionAttributes = [
    "strides: list(int)", "use_cudnn_on_gpu: bool = true", "padding: {'SAME', 'VALID', 'EXPLICIT'}",
    "explicit_paddings: list(int) = []", "data_format: {'NHWC', 'NCHW'} = 'NHWC'", "dilations: list(int) = [1, 1, 1, 1]",
]

extension OpDefinition {
    /// The 2-D convolution of images with a filter.
    static let conv2D = OpDefinition(
        "Conv2D", "(input: T, filter: T) -> (output: T)",
        attributes: ["T: {half, bfloat16, float, double, int32}"] + convolutionAttributes
    )
    .shape { c in try convolutionShape(&c, spatialRank: 2) }
    .sharding { c in ShardingRule.convolution(c, spatialRank: 2) }
    .cost(CostFunctions.convolution())
    .fusing(as: .product(fused: "_FusedConv2D", channelAxis: 3, takesSums: false))
    .gradient(convolutionGradient)
    .kernel(["T": convolutionTypes], gpu: ["T": convolutionTypes]) { try convolutionKernel($0, .output, spatialRank: 2) }
    .cuda { try cudaConvolutionKernel($0, .output, spatialRank: 2) }

    /// The gradient of `Conv2D` with respect to its input.
    static let conv2DBackpropInput = OpDefinition(
        "Conv2DBackpropInput", "(input_sizes: int32, filter: T, out_backprop: T) -> (output: T)",
        attributes: ["T: {half, bfloat16, float, double, int32}"] + convolutionAttributes
    )
    .shape { c in try convolutionSizesShape(&c, 0, spatialRank: 2) }
    .cost(CostFunctions.convolution(output: 2))
    .gradient(convolutionInputGradient)
    .kernel(["T": convolutionTypes], gpu: ["T": convolutionTypes], hostMemory: ["input_sizes"]) {
        try convolutionKernel($0, .inputGradient, spatialRank: 2)
    }
    .cuda { try cudaConvolutionKernel($0, .inputGradient, spatialRank: 2) }

    /// The gradient of `Conv2D` with respect to its filter.
    static let conv2DBackpropFilter = OpDefinition(
        "Conv2DBackpropFilter", "(input: T, filter_sizes: int32, out_backprop: T) -> (output: T)",
        attributes: ["T: {half, bfloat16, float, double}"] + convolutionAttributes
    )
    .shape { c in try convolutionSizesShape(&c, 1, spatialRank: 2) }
    .gradient(convolutionFilterGradient)
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["filter_sizes"]) {
        try convolutionKernel($0, .filterGradient, spatialRank: 2)
    }
    .cuda { try cudaConvolutionKernel($0, .filterGradient, spatialRank: 2) }
}

let convolutionTypes: DTypeSet = [.floating, DTypeSet(.int32)]

/// The padding of the input of convolutions and pooling.
public enum Padding: Sendable {
    /// The output size is the input size divided by the stride, rounded up. Zeros are added beyond the edges.
    case same
    /// No padding: windows lie wholly inside the input.
    case valid

    var attribute: AttributeValue { self == .same ? "SAME" : "VALID" }
}

extension Output {
    /// Returns the convolution of images `[batch, height, width, channels]` with a filter `[height, width, channels, outputs]`
    /// (Conv2D).
    public func conv2D(
        _ filter: Output, strides: (Int, Int) = (1, 1), padding: Padding = .same, dilations: (Int, Int) = (1, 1)
    ) -> Output {
        builder.add(
            "Conv2D", [self, filter],
            attributes: [
                "strides": .ints([1, strides.0, strides.1, 1]), "padding": padding.attribute,
                "dilations": .ints([1, dilations.0, dilations.1, 1]),
            ])[0]
    }
}
