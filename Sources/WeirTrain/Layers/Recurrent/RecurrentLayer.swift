public import WeirGraph
import WeirOps
import WeirTensor

/// A layer that goes through the steps of a sequence: `[rows, steps, features]` becomes `[rows, units]`, the output of the last step, or
/// `[rows, steps, units]`.
///
/// The number of steps must be known: the graph has the nodes of each step, so that every strategy can split it. The products with the input
/// are one product for all steps.
public protocol RecurrentLayer: Layer {
    /// The number of features of an output.
    var units: Int { get }
    /// Whether the outputs of all steps are returned, in the order in which the steps were taken.
    var returnsSequences: Bool { get set }
    /// Whether the last step comes first.
    var goesBackwards: Bool { get set }
    /// Adds the layer's variables and the nodes of all steps, in the current name scope.
    /// - Parameter initialStates: of shape `[rows, units]` each; nil for zeros.
    func run(_ input: Output, initialStates: [Output]?, _ context: LayerContext) -> RecurrentOutputs
}

/// What a recurrent layer computes.
public struct RecurrentOutputs: Sendable {
    /// The output of each step, of shape `[rows, units]`, in the order in which the steps were taken.
    public var steps: [Output]
    /// The states after the last step. The first is the last output.
    public var states: [Output]
    /// What the steps computed.
    public init(steps: [Output], states: [Output]) {
        self.steps = steps
        self.states = states
    }
}

extension RecurrentLayer {
    /// Adds the layer.
    public func call(_ input: Output, _ context: LayerContext) -> Output { output(run(input, initialStates: nil, context), else: input) }

    /// Adds the layer, which begins with given states, in a scope of its name: the decoder of Sutskever et al., *Sequence to Sequence Learning
    /// with Neural Networks*, 2014. Keras's `initial_state` and `return_state`.
    /// - Parameter initialStates: the states that an earlier call returned; nil for zeros.
    public func callAsFunction(_ input: Output, initialStates: [Output]?, _ context: LayerContext) -> (output: Output, states: [Output]) {
        context.scope(name) {
            let outputs = run(input, initialStates: initialStates, context)
            return (output(outputs, else: input), outputs.states)
        }
    }

    private func output(_ outputs: RecurrentOutputs, else input: Output) -> Output {
        guard let last = outputs.steps.last else { return input }
        return returnsSequences ? last.builder.stacked(outputs.steps, axis: 1) : last
    }
}

/// The variables of a recurrent layer, and the products of the input's steps with its kernel.
struct RecurrentSteps {
    /// For each step, in the order in which they are taken: `[rows, width]`.
    let inputs: [Output]
    /// The recurrent kernel, `[units, width]`.
    let recurrentKernel: Output
    /// The states before the first step.
    let initialStates: [Output]

    /// - Parameters:
    ///   - gates: the number of gates: the width is that many times the units.
    ///   - stateCount: the number of states.
    ///   - bias: the bias that is added to the products; it is called after the kernels are declared.
    init?(
        _ input: Output, initialStates: [Output]?, _ context: LayerContext, _ layer: some RecurrentLayer, gates: Int, stateCount: Int,
        kernel: Initializer, recurrent: Initializer, regularizer: Regularizer?, bias: () -> Output?
    ) {
        let (width, overflow) = layer.units.multipliedReportingOverflow(by: gates)
        guard let sizes = context.sizes(of: input, count: 2, "[rows, steps, features]"), !overflow,
            context.areSizes(sizes + [width], "steps, features and units")
        else { return nil }
        let states = initialStates ?? []
        guard initialStates == nil || states.count == stateCount, states.allSatisfy({ $0.shape.isCompatible(with: [nil, layer.units]) }) else {
            _ = context.failing("expected \(stateCount) states of shape [rows, \(layer.units)], found \(states)")
            return nil
        }
        let kernel = context.variable("kernel", Shape(sizes[1], width), kernel, regularizer: regularizer)
        recurrentKernel = context.variable("recurrent_kernel", Shape(layer.units, width), recurrent).value
        let bias = bias()
        let products = context.onRows(of: input, count: width) { rows in
            let product = rows.matMul(kernel.value)
            return bias.map { product.biasAdd($0) } ?? product
        }
        let steps = products.unstacked(axis: 1, count: sizes[0])
        inputs = layer.goesBackwards ? steps.reversed() : steps
        if let initialStates {
            self.initialStates = initialStates
        } else {
            let zeros = steps[0].sliced(at: [0, 0], size: [-1, layer.units]).zerosLike()
            self.initialStates = [Output](repeating: zeros, count: stateCount)
        }
    }

    /// Takes the steps.
    /// - Parameter step: returns the states after a step; the first is the step's output.
    func run(_ step: (_ input: Output, _ states: [Output]) -> [Output]) -> RecurrentOutputs {
        var states = initialStates
        var outputs: [Output] = []
        for input in inputs {
            states = step(input, states)
            outputs += states.prefix(1)
        }
        return RecurrentOutputs(steps: outputs, states: states)
    }
}
