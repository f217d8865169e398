public import WeirGraph
import WeirOps
import WeirTensor

/// A fully connected layer: `activation(x · kernel + bias)` on the last dimension. Keras's `Dense`.
///
/// `[rows, …, features]` becomes `[rows, …, units]`. Variables: `kernel`, of shape `[features, units]`, and `bias`, of shape `[units]`.
public struct Dense: Layer {
    /// The number of features of the output.
    public var units: Int
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
    /// What is added to the loss for the bias.
    public var biasRegularizer: Regularizer?
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        _ units: Int, activation: Activation = .linear, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String = "dense"
    ) {
        self.units = units
        self.activation = activation
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.biasRegularizer = biasRegularizer
        self.name = name
    }

    /// Adds the layer. Records an error if the number of features is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let features = context.features(of: input), context.areSizes([features, units], "features and units") else { return input }
        let kernel = context.variable("kernel", Shape(features, units), kernelInitializer, regularizer: kernelRegularizer)
        let bias = usesBias ? context.variable("bias", Shape(units), biasInitializer, regularizer: biasRegularizer) : nil
        let sum = context.onRows(of: input, count: units) { rows in
            let product = rows.matMul(kernel.value)
            return bias.map { product.biasAdd($0.value) } ?? product
        }
        return activation(sum)
    }
}
