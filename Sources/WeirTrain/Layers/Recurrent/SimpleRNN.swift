public import WeirGraph
import WeirOps
import WeirTensor

/// The plain recurrent layer: `h = activation(x · kernel + h · recurrent_kernel + bias)`. Elman, *Finding Structure in Time*, 1990. Keras's
/// `SimpleRNN`.
///
/// Variables: `kernel`, of shape `[features, units]`, `recurrent_kernel`, of shape `[units, units]`, and `bias`, of shape `[units]`.
public struct SimpleRNN: RecurrentLayer {
    /// The number of features of an output.
    public var units: Int
    /// The activation function of the output.
    public var activation: Activation
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
        _ units: Int, activation: Activation = .tanh, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal(),
        biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil, returnsSequences: Bool = false,
        goesBackwards: Bool = false, name: String = "simple_rnn"
    ) {
        self.units = units
        self.activation = activation
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
        let steps = RecurrentSteps(
            input, initialStates: initialStates, context, self, gates: 1, stateCount: 1, kernel: kernelInitializer, recurrent: recurrentInitializer,
            regularizer: kernelRegularizer, bias: { usesBias ? context.variable("bias", Shape(units), biasInitializer).value : nil })
        guard let steps else { return RecurrentOutputs(steps: [], states: []) }
        return steps.run { input, states in [activation(input + states[0].matMul(steps.recurrentKernel))] }
    }
}
