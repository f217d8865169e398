public import WeirGraph
public import WeirOps
import WeirTensor

/// The transpose of a convolution, which makes larger images: that of which a convolution with the same kernel is the gradient. Keras's
/// `Conv2DTranspose`. Zeiler et al., *Deconvolutional Networks*, 2010.
///
/// `[rows, height, width, channels]` becomes `[rows, height * stride, width * stride, filters]`; with `padding` `.valid`, and a kernel that is
/// larger than the stride, images are larger by the difference. Variables: `kernel`, of shape `[height, width, filters, channels]`, and
/// `bias`, of shape `[filters]`.
public struct Conv2DTranspose: Layer {
    /// The number of channels of the output.
    public var filters: Int
    /// The size of the filters.
    public var kernelSize: SpatialSize
    /// By what height and width are multiplied.
    public var strides: SpatialSize
    /// Whether the output is cut to a multiple of the input's size.
    public var padding: Padding
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
        _ filters: Int, _ kernelSize: SpatialSize, strides: SpatialSize = 1, padding: Padding = .valid, activation: Activation = .linear,
        usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        kernelRegularizer: Regularizer? = nil, name: String = "conv2d_transpose"
    ) {
        self.filters = filters
        self.kernelSize = kernelSize
        self.strides = strides
        self.padding = padding
        self.activation = activation
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.name = name
    }

    /// Adds the layer. Records an error if the size of the images is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        let size = kernelSize.resolved(2), strides = strides.resolved(2)
        guard let shape = context.sizes(of: input, count: 3, Convolution.inputs[1]),
            context.areSpatial(2, [("kernel size", size), ("strides", strides), ("height and width", Array(shape.prefix(2)))]),
            context.areSizes(size + [filters, shape[2]], "kernel size, filters and channels")
        else { return input }
        let kernel = context.variable("kernel", Shape(size + [filters, shape[2]]), kernelInitializer, regularizer: kernelRegularizer)
        let bias = usesBias ? context.variable("bias", Shape(filters), biasInitializer) : nil
        // Both factors are at most 2³⁰.
        let sides = (0..<2).map { shape[$0] * strides[$0] + (padding == .valid ? max(size[$0] - strides[$0], 0) : 0) }
        guard sides.allSatisfy({ Int32(exactly: $0) != nil }) else { return context.failing("images of \(sides) are too large") }
        let builder = context.builder
        let rest = builder.constant(Tensor((sides + [filters]).map { Int32(clamping: $0) }))
        let sizes = builder.concatenated([input.shapeTensor().sliced(at: [0], size: [1]), rest], axis: 0)
        let sum = builder.add(
            "Conv2DBackpropInput", [sizes, kernel.value, input],
            attributes: ["strides": .ints([1] + strides + [1]), "padding": padding.text])[0]
        builder.refineShape(of: sum, [input.shape[0], sides[0], sides[1], filters])
        return activation(bias.map { sum.biasAdd($0.value) } ?? sum)
    }
}
