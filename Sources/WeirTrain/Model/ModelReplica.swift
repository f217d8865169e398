public import WeirGraph
public import WeirTensor

/// The variables of a model that were declared in the graph of a strategy.
public struct DeclaredVariables: Sendable {
    /// The trained variables, in the order of `ModelGraph.parameters`.
    public let parameters: [Variable]
    /// The others, in the order of `ModelGraph.otherVariables`.
    public let others: [Variable]
    /// What stands for the model's outputs that are variables' handles and values.
    package let replacing: [Endpoint: Output]

    /// All variables.
    public var all: [Variable] { parameters + others }
}

/// A copy of a model's computation in the graph of a strategy.
public struct ModelReplica: Sendable {
    /// The placeholders, or what stands for them, by input name.
    public let inputs: [String: Output]
    /// The loss.
    public let loss: Output
    /// The predictions; nil if the model names none.
    public let predictions: Output?
    /// The metrics by name.
    public let metrics: [String: Output]
    /// What stands for each output of the model's graph.
    package let copy: GraphCopy
}

extension ModelGraph {
    /// Declares the model's variables in a builder, in its current scopes, with their initial values.
    ///
    /// - Parameter each: wraps the declaration of a variable, for example in a device scope.
    public func declareVariables(
        in builder: GraphBuilder, each: (ModelVariable, () -> Variable) -> Variable = { _, declare in declare() }
    ) throws(Status) -> DeclaredVariables {
        var replacing: [Endpoint: Output] = [:]
        func declare(_ variable: ModelVariable) -> Variable {
            let declared = each(variable) {
                builder.variable(variable.name) {
                    // The initial value of one variable may be computed from another variable's.
                    var copy = GraphCopy(of: graph, in: builder, replacing: replacing)
                    let value = try? copy.copy([variable.initialValue]).first
                    return value ?? builder.filled(variable.shape, with: 0, variable.dtype)
                }
            }
            replacing[Endpoint(variable.handle)] = declared.handle
            // A read that waits for other nodes may have to see their updates, so it is copied.
            for (id, node) in graph.nodes.enumerated() where node.op.variableUse == .read && node.inputs.first?.node == variable.handle {
                if node.controlInputs.isEmpty { replacing[Endpoint(id)] = declared.value }
            }
            return declared
        }
        // In the graph's order, in which a variable comes before those that are initialized from it.
        let order = (parameters + otherVariables).sorted { $0.handle < $1.handle }
        let declared = Dictionary(uniqueKeysWithValues: order.map { ($0.handle, declare($0)) })
        if let failure = builder.failure { throw failure }
        return DeclaredVariables(
            parameters: parameters.compactMap { declared[$0.handle] }, others: otherVariables.compactMap { declared[$0.handle] }, replacing: replacing)
    }

    /// Copies the model's computation into a builder, in its current scopes. Replicas share the variables.
    /// - Parameter feeding: outputs that take the place of placeholders, by input name; the others are new placeholders.
    public func replica(
        in builder: GraphBuilder, variables: DeclaredVariables, feeding: [String: Output] = [:]
    ) throws(Status) -> ModelReplica {
        var replacing = variables.replacing
        for (name, output) in feeding {
            guard let endpoint = inputs[name] else {
                throw .invalidArgument("The model's inputs are \(inputs.keys.sorted().joined(separator: ", ")), found '\(name)'")
            }
            replacing[endpoint] = output
        }
        var copy = GraphCopy(of: graph, in: builder, replacing: replacing)
        let names = inputs.keys.sorted(), metricNames = metrics.keys.sorted()
        let placeholders = try copy.copy(names.compactMap { inputs[$0] })
        let losses = try copy.copy([loss])
        let predicted = try copy.copy(predictions.map { [$0] } ?? [])
        let measured = try copy.copy(metricNames.compactMap { metrics[$0] })
        guard let lossOutput = losses.first else { throw .internalError("The model's loss was not copied") }
        return ModelReplica(
            inputs: Dictionary(uniqueKeysWithValues: zip(names, placeholders)), loss: lossOutput, predictions: predicted.first,
            metrics: Dictionary(uniqueKeysWithValues: zip(metricNames, measured)), copy: copy)
    }
}
