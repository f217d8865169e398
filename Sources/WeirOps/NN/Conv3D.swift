import WeirGraph
import WeirKernels
import WeirTensor

private let volumeAttributes = [
    "T: {half, bfloat16, float, double}", "strides: list(int) >= 5", "padding: {'SAME', 'VALID'}",
    "data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'", "dilations: list(int) = [1, 1, 1, 1, 1]",
]

extension OpDefinition {
    /// The 3-D convolution of volumes with a filter.
    static let conv3D = OpDefinition("Conv3D", "(input: T, filter: T) -> (output: T)", attributes: volumeAttributes)
        .shape { c in try convolutionShape(&c, spatialRank: 3) }
        .sharding { c in ShardingRule.convolution(c, spatialRank: 3) }
        .cost(CostFunctions.convolution())
        .gradient(convolutionGradient)
        .kernel(["T": .floating], gpu: ["T": .floating]) { try convolutionKernel($0, .output, spatialRank: 3) }
        .cuda { try cudaConvolutionKernel($0, .output, spatialRank: 3) }

    /// The gradient of `Conv3D` with respect to its input.
    static let conv3DBackpropInputV2 = OpDefinition(
        "Conv3DBackpropInputV2", "(input_sizes: Tshape, filter: T, out_backprop: T) -> (output: T)",
        attributes: volumeAttributes + ["Tshape: {int32, int64} = int32"]
    )
    .shape { c in try convolutionSizesShape(&c, 0, spatialRank: 3) }
    .cost(CostFunctions.convolution(output: 2))
    .gradient(convolutionInputGradient)
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["input_sizes"]) {
        try convolutionKernel($0, .inputGradient, spatialRank: 3)
    }
    .cuda { try cudaConvolutionKernel($0, .inputGradient, spatialRank: 3) }

    /// The gradient of `Conv3D` with respect to its filter.
    static let conv3DBackpropFilterV2 = OpDefinition(
        "Conv3DBackpropFilterV2", "(input: T, filter_sizes: int32, out_backprop: T) -> (output: T)",
        attributes: volumeAttributes
    )
    .shape { c in try convolutionSizesShape(&c, 1, spatialRank: 3) }
    .gradient(convolutionFilterGradient)
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["filter_sizes"]) {
        try convolutionKernel($0, .filterGradient, spatialRank: 3)
    }
    .cuda { try cudaConvolutionKernel($0, .filterGradient, spatialRank: 3) }
}
