public import WeirGraph
public import WeirOps
import WeirTensor

/// A convolution of sequences, with a bias and an activation. Keras's `Conv1D`.
///
/// `[rows, steps, channels]` becomes `[rows, steps, filters]`; with `padding` `.valid`, and with strides, there
/// are fewer positions. Variables: `kernel`, of shape `[size, channels, filters]`, and `bias`, of shape `[filters]`.
public struct Conv1D: Layer {
    private var convolution: Convolution
    /// Whether an output depends on no later step: zeros are added before the first step. Van den Oord et al., *WaveNet*, 2016.
    public var isCausal: Bool
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    /// - Parameters:
    ///   - filters: the number of channels of the output.
    ///   - kernelSize: the size of the filters.
    ///   - dilations: the distances of the positions that a filter sees; with other strides than 1, they must be 1.
    public init(
        _ filters: Int, _ kernelSize: SpatialSize, strides: SpatialSize = 1, padding: Padding = .valid, dilations: SpatialSize = 1,
        activation: Activation = .linear, isCausal: Bool = false, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String = "conv1d"
    ) {
        convolution = Convolution(
            filters: filters, kernelSize: kernelSize, strides: strides, padding: padding, dilations: dilations, activation: activation,
            usesBias: usesBias, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
            biasRegularizer: biasRegularizer)
        self.isCausal = isCausal
        self.name = name
    }

    /// Adds the layer. Records an error if the number of channels is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        convolution.call(input, context, rank: 1, isCausal: isCausal)
    }
}
