public import WeirGraph
import WeirOps
import WeirTensor

/// Long short-term memory: a state that gates keep, add to and show. Hochreiter and Schmidhuber, *Long Short-Term Memory*, 1997; Gers et al.,
/// *Learning to Forget*, 2000. Keras's `LSTM`.
///
/// Variables: `kernel`, of shape `[features, 4 * units]`, `recurrent_kernel`, of shape `[units, 4 * units]`, and `bias`, of shape
/// `[4 * units]`. Their columns are those of the input gate, the forget gate, the cell and the output gate.
public struct LSTM: RecurrentLayer {
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
        biasInitializer: Initializer = .unitForgetBias, kernelRegularizer: Regularizer? = nil, returnsSequences: Bool = false,
        goesBackwards: Bool = false, name: String = "lstm"
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

    /// Adds the steps. The states are the output and the cell.
    public func run(_ input: Output, initialStates: [Output]?, _ context: LayerContext) -> RecurrentOutputs {
        let steps = RecurrentSteps(
            input, initialStates: initialStates, context, self, gates: 4, stateCount: 2, kernel: kernelInitializer, recurrent: recurrentInitializer,
            regularizer: kernelRegularizer, bias: { usesBias ? context.variable("bias", Shape(4 * units), biasInitializer).value : nil })
        guard let steps else { return RecurrentOutputs(steps: [], states: []) }
        return steps.run { input, states in
            let gates = (input + states[0].matMul(steps.recurrentKernel)).split(into: 4, axis: 1)
            let added = recurrentActivation(gates[0]) * activation(gates[2])
            let cell = recurrentActivation(gates[1]) * states[1] + added
            return [recurrentActivation(gates[3]) * activation(cell), cell]
        }
    }
}
