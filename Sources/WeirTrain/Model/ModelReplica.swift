public import WeirGraph
public import WeirTensor

/// A copy of a model's computation in the graph of a strategy.
public struct ModelReplica: Sendable {
    /// The placeholders, or what stands for them, by input name.
    public let inputs: [String: Output]
    /// The loss of a training step. The model's updates run with it.
    public let loss: Output
    /// The loss of held-out rows.
    public let evaluationLoss: Output
    /// The predictions; nil if the model names none.
    public let predictions: Output?
    /// The metrics by name.
    public let metrics: [String: Output]
    /// What stands for each output of the model's graph.
    package let copy: GraphCopy
    /// The nodes that were built for the copy.
    var nodes: Range<NodeID> = 0..<0
}

extension ModelGraph {
    /// Copies the model's computation into a builder, in its current scopes. Replicas share the variables. Where the model draws random numbers,
    /// replicas in different name scopes draw others.
    /// - Parameters:
    ///   - feeding: outputs that take the place of placeholders, by input name; the others are new placeholders.
    ///   - runsUpdates: whether the loss runs the model's updates (`ModelInputs.addUpdate`). Of several replicas in a graph, only one may.
    ///   - after: operations for which the replica waits before it reads a variable. If there are any, it has reads of its own.
    /// - Throws: `invalidArgument` when the model has no input of a given name.
    public func replica(
        in builder: GraphBuilder, variables: DeclaredVariables, feeding: [String: Output] = [:], runsUpdates: Bool = true, after: [Operation] = []
    ) throws(Status) -> ModelReplica {
        var replacing = variables.replacing
        if !after.isEmpty { replacing = replacing.filter { graph.nodes[$0.key.node].op.variableUse != .read } }
        for (name, output) in feeding {
            guard let endpoint = inputs[name] else {
                throw .invalidArgument("The model's inputs are \(inputs.keys.sorted().joined(separator: ", ")), found '\(name)'")
            }
            replacing[endpoint] = output
        }
        let firstNode = builder.nodeCount
        let source = drawingOtherNumbers(ModelGraph.copyNumber(scope: builder.scopeName)).graph
        var copy = GraphCopy(of: source, in: builder, replacing: replacing, rewriting: variables.rewriting)
        let names = inputs.keys.sorted(), metricNames = metrics.keys.sorted()
        let placeholders = try copy.copy(names.compactMap { inputs[$0] })
        let losses = try copy.copy([evaluationLoss, runsUpdates ? loss : lossWithoutUpdates])
        let predicted = try copy.copy(predictions.map { [$0] } ?? [])
        let measured = try copy.copy(metricNames.compactMap { metrics[$0] })
        guard losses.count == 2 else { throw .internalError("The model's loss was not copied") }
        var replica = ModelReplica(
            inputs: Dictionary(uniqueKeysWithValues: zip(names, placeholders)), loss: losses[1], evaluationLoss: losses[0],
            predictions: predicted.first, metrics: Dictionary(uniqueKeysWithValues: zip(metricNames, measured)), copy: copy)
        replica.nodes = firstNode..<builder.nodeCount
        let handles = after.isEmpty ? [] : Set(variables.all.map(\.handle.endpoint))
        for id in replica.nodes where !after.isEmpty {
            let node = builder.node(id)
            guard node.op.variableUse == .read || node.op.variableUse == .gather, let handle = node.inputs.first, handles.contains(handle) else { continue }
            for operation in after { builder.addControl(operation, to: Operation(builder, id)) }
        }
        return replica
    }
}

extension ModelReplica {
    /// The replica with other variables in place of some: a copy of its nodes that reads these.
    /// - Parameter averages: for each variable, the one that is read in its place; if there are none, the replica is this one.
    func reading(_ averages: [(variable: Variable, average: Variable)]) throws(Status) -> ModelReplica {
        guard !averages.isEmpty else { return self }
        let builder = loss.builder
        let metricNames = metrics.keys.sorted(), inputNames = inputs.keys.sorted()
        return try averages.copying(in: builder) { copy throws(Status) -> ModelReplica in
            let placeholders = try copy.copy(inputNames.compactMap { inputs[$0]?.endpoint })
            // Evaluations alone read it, and they run no updates.
            guard let copiedLoss = try copy.copy([evaluationLoss.endpoint]).first else {
                throw .internalError("The loss of the averages was not copied")
            }
            let predicted = try copy.copy(predictions.map { [$0.endpoint] } ?? [])
            let measured = try copy.copy(metricNames.compactMap { metrics[$0]?.endpoint })
            return ModelReplica(
                inputs: Dictionary(uniqueKeysWithValues: zip(inputNames, placeholders)), loss: copiedLoss, evaluationLoss: copiedLoss,
                predictions: predicted.first, metrics: Dictionary(uniqueKeysWithValues: zip(metricNames, measured)), copy: self.copy)
        }
    }

    /// Adds the gradients of the loss with respect to the trained variables, in their order. If all that the model does with a
    /// variable is to gather rows, its gradient is sparse: it has the rows that the batch gathered, each once.
    ///
    /// Records an error if the loss does not depend on a variable.
    public func gradients(with variables: DeclaredVariables) -> [VariableGradient] {
        let builder = loss.builder
        let gathers = gathers(variables)
        let targets = variables.parameters.map { variable in gathers[variable.handle] ?? [(variable.handle, variable.handle)] }
        var flows = builder.gradients(of: [loss], with: targets.flatMap { $0.map(\.value) })[...]
        return zip(variables.parameters, targets).map { variable, targets in
            let own = flows.prefix(targets.count)
            flows = flows.dropFirst(targets.count)
            let found = zip(targets, own).compactMap { target, flow in flow.map { (indices: target.indices, rows: $0) } }
            guard let first = found.first else {
                builder.record(.invalidArgument("gradients: '\(loss.name)' does not depend on variable '\(variable.name)'"))
                return VariableGradient(variable, .dense(variable.value))
            }
            return gathers[variable.handle] == nil ? VariableGradient(variable, .dense(first.rows)) : .sum(variable, found)
        }
    }

    /// The replica's gathers from variables of which the model only gathers rows, by the variable's handle: the indices, and the
    /// rows at them.
    private func gathers(_ variables: DeclaredVariables) -> [Output: [(indices: Output, value: Output)]] {
        let builder = loss.builder
        var found: [Output: [(indices: Output, value: Output)]] = [:]
        for id in nodes {
            let node = builder.node(id)
            guard node.op.variableUse == .gather, node.inputs.count > 1 else { continue }
            let handle = Output(builder, node.inputs[0])
            if variables.gathered.contains(handle) { found[handle, default: []].append((Output(builder, node.inputs[1]), Output(builder, Endpoint(id)))) }
        }
        return found
    }
}

extension [(variable: Variable, average: Variable)] {
    /// Values of variables with the averages in place of the variables; empty if there are no averages.
    /// - Parameter values: computed from variables, by name.
    func values(of values: [String: Output], in builder: GraphBuilder) throws(Status) -> [String: Output] {
        guard !isEmpty else { return [:] }
        let names = values.keys.sorted()
        return try copying(in: builder) { copy throws(Status) -> [String: Output] in
            Dictionary(uniqueKeysWithValues: zip(names, try copy.copy(names.compactMap { values[$0]?.endpoint })))
        }
    }

    /// Copies nodes of a builder's graph into the builder, so that they read the averages.
    fileprivate func copying<R>(in builder: GraphBuilder, _ body: (_ copy: inout GraphCopy) throws(Status) -> R) throws(Status) -> R {
        let replacing = Dictionary(map { ($0.variable.handle.endpoint, $0.average.handle) }) { first, _ in first }
        // The nodes say where they are.
        return try builder.device(nil) { () throws(Status) -> R in
            try builder.nameScope("averages") { () throws(Status) -> R in
                var copy = GraphCopy(of: try builder.graph(), in: builder, replacing: replacing)
                return try body(&copy)
            }
        }
    }
}
