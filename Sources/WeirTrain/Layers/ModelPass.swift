import WeirGraph
import WeirTensor

/// One pass over a model's layers: for training, or for inference with the variables of the training pass.
final class ModelPass: @unchecked Sendable {  // used by one thread at a time, as its builder
    let mode: LayerMode
    /// Whether a layer asked for the mode.
    var dependsOnMode = false
    /// The variables that layers declared, in order.
    private(set) var variables: [Variable] = []
    /// Scalars that are added to the loss.
    var losses: [Output] = []
    /// Operations that run with each training step.
    private(set) var updates: [Operation] = []
    /// What the model named besides its predictions.
    private(set) var outputs: [String: Output] = [:]
    /// The variables of the training pass; nil in that pass.
    private let declared: [Variable]?

    init(_ mode: LayerMode, variables: [Variable]? = nil) {
        self.mode = mode
        declared = variables
    }

    /// Registers an operation that runs with each training step. Records an error if it is of another graph.
    func addUpdate(_ operation: Operation, in builder: GraphBuilder) {
        guard operation.builder === builder else {
            return builder.record(.invalidArgument("addUpdate: expected an operation of the model's graph, found '\(operation.name)' of another"))
        }
        updates.append(operation)
    }

    /// Names an output. Records an error if the name is taken.
    func addOutput(_ name: String, _ output: Output, in builder: GraphBuilder) {
        guard name != ModelGraph.predictionsName, outputs[name] == nil else {
            return builder.record(.invalidArgument("addOutput: a model has one output '\(name)', found another, '\(output.name)'"))
        }
        outputs[name] = output
    }

    /// A pass for inference after this one.
    func inference() -> ModelPass { ModelPass(.inference, variables: variables) }

    /// Declares a variable, or finds that of the training pass, in which it had the same place.
    /// - Returns: the variable, and whether it is new.
    func variable(_ name: String, _ shape: Shape, in builder: GraphBuilder, initial: () -> Output) -> (variable: Variable, isNew: Bool) {
        guard let declared else {
            let variable = builder.variable(name, initial: initial)
            variables.append(variable)
            return (variable, true)
        }
        let number = variables.count
        if number < declared.count, declared[number].shape == shape, declared[number].name.split(separator: "/").last.map(String.init) == name {
            variables.append(declared[number])
            return (declared[number], false)
        }
        let found = number < declared.count ? "'\(declared[number].name)' of shape \(declared[number].shape)" : "none"
        builder.record(
            .invalidArgument(
                "'\(builder.scopeName)' declares variable '\(name)' of shape \(shape) for inference, and for training, in the same place, \(found); "
                    + "a model must declare the same variables for both"))
        return (builder.variable(name, initial: initial), true)
    }
}
