public import WeirGraph
public import WeirOps
import WeirTensor

/// A convolution of volumes, with a bias and an activation. Keras's `Conv3D`.
///
/// `[rows, depth, height, width, channels]` becomes `[rows, depth, height, width, filters]`; with `padding` `.valid`, and with strides, there
/// are fewer positions. Variables: `kernel`, of shape `[depth, height, width, channels, filters]`, and `bias`, of shape `[filters]`.
public struct Conv3D: Layer {
    private var convolution: Convolution
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    /// - Parameters:
    ///   - filters: the number of channels of the output.
    ///   - kernelSize: the size of the filters.
    ///   - dilations: the distances of the positions that a filter sees; with other strides than 1, they must be 1.
    public init(
        _ filters: Int, _ kernelSize: SpatialSize, strides: SpatialSize = 1, padding: Padding = .valid, dilations: SpatialSize = 1,
        activation: Activation = .linear, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String = "conv3d"
    ) {
        convolution = Convolution(
            filters: filters, kernelSize: kernelSize, strides: strides, padding: padding, dilations: dilations, activation: activation,
            usesBias: usesBias, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
            biasRegularizer: biasRegularizer)
        self.name = name
    }

    /// Adds the layer. Records an error if the number of channels is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        convolution.call(input, context, rank: 3)
    }
}
