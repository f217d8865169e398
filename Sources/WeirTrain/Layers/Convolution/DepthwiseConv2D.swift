public import WeirGraph
public import WeirOps
import WeirTensor

/// A convolution of each channel of images for itself. Keras's `DepthwiseConv2D`. Howard et al., *MobileNets*, 2017.
///
/// `[rows, height, width, channels]` becomes `[rows, height, width, channels * multiplier]`. Variables: `kernel`, of shape `[height, width,
/// channels, multiplier]`, and `bias`.
public struct DepthwiseConv2D: Layer {
    /// The size of the filters.
    public var kernelSize: SpatialSize
    /// The number of filters for each channel.
    public var multiplier: Int
    /// The distance of the positions, the same along height and width.
    public var stride: Int
    /// Whether zeros are added beyond the edges.
    public var padding: Padding
    /// The distances of the positions that a filter sees.
    public var dilations: SpatialSize
    /// The activation function.
    public var activation: Activation
    /// Whether there is a bias.
    public var usesBias: Bool
    /// How the kernel begins.
    public var kernelInitializer: Initializer
    /// How the bias begins.
    public var biasInitializer: Initializer
    /// What is added to the loss for the kernel.
    public var kernelRegularizer: Regularizer?
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        _ kernelSize: SpatialSize, multiplier: Int = 1, stride: Int = 1, padding: Padding = .valid, dilations: SpatialSize = 1,
        activation: Activation = .linear, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        kernelRegularizer: Regularizer? = nil, name: String = "depthwise_conv2d"
    ) {
        self.kernelSize = kernelSize
        self.multiplier = multiplier
        self.stride = stride
        self.padding = padding
        self.dilations = dilations
        self.activation = activation
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.name = name
    }

    /// Adds the layer. Records an error if the number of channels is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        let size = kernelSize.resolved(2), dilations = dilations.resolved(2)
        guard input.shape.rank == nil || input.shape.rank == 4 else {
            return context.failing("expected an input of shape \(Convolution.inputs[1]), found \(input.shape)")
        }
        guard let channels = context.features(of: input, leastRank: 4),
            context.areSpatial(2, [("kernel size", size), ("stride", [stride, stride]), ("dilations", dilations)]),
            context.areSizes(size + [channels, multiplier], "kernel size, channels and multiplier")
        else { return input }
        guard stride == 1 || dilations == [1, 1] else {
            return context.failing("either the stride or dilations may be other than 1, found \(stride) and \(dilations)")
        }
        let kernel = context.variable("kernel", Shape(size + [channels, multiplier]), kernelInitializer, regularizer: kernelRegularizer)
        let bias = usesBias ? context.variable("bias", Shape(channels * multiplier), biasInitializer) : nil
        let sum = context.builder.add(
            "DepthwiseConv2dNative", [input, kernel.value],
            attributes: ["strides": .ints([1, stride, stride, 1]), "padding": padding.text, "dilations": .ints([1] + dilations + [1])])[0]
        return activation(bias.map { sum.biasAdd($0.value) } ?? sum)
    }
}
