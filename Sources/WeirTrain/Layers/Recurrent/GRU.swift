public import WeirGraph
import WeirOps
import WeirTensor

/// The gated recurrent unit: Cho et al., *Learning Phrase Representations using RNN Encoder-Decoder*, 2014. Keras's `GRU` with its default
/// `reset_after`, as in cuDNN: the reset gate multiplies the product with the recurrent kernel.
///
/// Variables: `kernel`, of shape `[features, 3 * units]`, `recurrent_kernel`, of shape `[units, 3 * units]`, and `bias`, of shape
/// `[2, 3 * units]`, for both. Their columns are those of the update gate, the reset gate and the candidate.
public struct GRU: RecurrentLayer {
    /// The number of features of an output.
    public var units: Int
    /// The activation function of the output.
    public var activation: Activation
    /// The activation function of the gates.
    public var recurrentActivation: Activation
    /// Whether there is a bias.
    public var usesBias: Bool
    /// How the kernel begins.
    public var kernelInitializer: Initializer
    /// How the recurrent kernel begins.
    public var recurrentInitializer: Initializer
    /// How the bias begins.
    public var biasInitializer: Initializer
    /// What is added to the loss for the kernel.
    public var kernelRegularizer: Regularizer?
    /// Whether the outputs of all steps are returned.
    public var returnsSequences: Bool
    /// Whether the last step comes first.
    public var goesBackwards: Bool
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        _ units: Int, activation: Activation = .tanh, recurrentActivation: Activation = .sigmoid, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal(),
        biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil, returnsSequences: Bool = false,
        goesBackwards: Bool = false, name: String = "gru"
    ) {
        self.units = units
        self.activation = activation
        self.recurrentActivation = recurrentActivation
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.recurrentInitializer = recurrentInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.returnsSequences = returnsSequences
        self.goesBackwards = goesBackwards
        self.name = name
    }

    /// Adds the steps. The state is the output.
    public func run(_ input: Output, initialStates: [Output]?, _ context: LayerContext) -> RecurrentOutputs {
        var recurrentBias: Output?
        let steps = RecurrentSteps(
            input, initialStates: initialStates, context, self, gates: 3, stateCount: 1, kernel: kernelInitializer, recurrent: recurrentInitializer,
            regularizer: kernelRegularizer
        ) {
            guard usesBias else { return nil }
            let biases = context.variable("bias", Shape(2, 3 * units), biasInitializer).value.unstacked(axis: 0, count: 2)
            recurrentBias = biases[1]
            return biases[0]
        }
        guard let steps else { return RecurrentOutputs(steps: [], states: []) }
        return steps.run { input, states in
            let product = states[0].matMul(steps.recurrentKernel)
            let inner = (recurrentBias.map { product.biasAdd($0) } ?? product).split(into: 3, axis: 1), outer = input.split(into: 3, axis: 1)
            let update = recurrentActivation(outer[0] + inner[0]), reset = recurrentActivation(outer[1] + inner[1])
            let candidate = activation(outer[2] + reset * inner[2])
            return [update * states[0] + (1 - update) * candidate]
        }
    }
}
