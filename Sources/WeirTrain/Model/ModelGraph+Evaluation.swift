import WeirCluster
import WeirGraph
import WeirOps
public import WeirTensor

extension ModelGraph {
    /// What the predictions are called among the model's outputs.
    static let predictionsName = "predictions"

    /// Computes outputs of the model, as they are in inference, in this process.
    ///
    /// ```swift
    /// let codes = try await model.evaluate(["code"], values: report.parameters, feeding: ["features": rows])
    /// let rows = try await model.evaluate(["predictions"], values: report.parameters, feeding: codes)
    /// ```
    /// - Parameters:
    ///   - names: `predictions`, or names of `outputs`.
    ///   - values: the values of all variables by name, such as `TrainingReport.parameters`.
    ///   - feeding: tensors by the names of inputs, or of outputs, which then are not computed.
    /// - Returns: the outputs by name.
    /// - Throws: `invalidArgument` when a name is not one of the model's, a value is missing, or an input that is needed is not fed.
    public func evaluate(
        _ names: [String], values: [String: Tensor], feeding: [String: Tensor]
    ) async throws(Status) -> [String: Tensor] {
        let source = GraphBuilder(extending: graph, registry: .standard), builder = GraphBuilder(registry: .standard)
        var replacing: [Endpoint: Output] = [:]
        var feeds: [NamedTensor] = []
        for (name, tensor) in feeding.sorted(by: { $0.key < $1.key }) {
            let endpoint: Endpoint
            if let input = inputs[name] { endpoint = input } else { endpoint = try self.endpoint(name) }
            guard let fed = source.output(at: endpoint) else { throw .internalError("'\(name)' is not in the model's graph") }
            guard tensor.dtype == fed.dtype, fed.shape.isCompatible(with: PartialShape(tensor.shape)) else {
                throw .invalidArgument("'\(name)' takes \(fed.dtype) \(fed.shape), found \(tensor.dtype) \(tensor.shape)")
            }
            let placeholder = builder.placeholder(fed.dtype, shape: fed.shape, name: "fed_\(feeds.count)")
            replacing[endpoint] = placeholder
            feeds.append(NamedTensor(placeholder.name, tensor))
        }
        let wanted = try names.map { name throws(Status) in try self.endpoint(name) }
        let needed = needed(for: wanted, fed: Set(replacing.keys))
        if let (name, _) = inputs.sorted(by: { $0.key < $1.key }).first(where: { needed.contains($0.value.node) }) {
            throw .invalidArgument("\(names.joined(separator: ", ")): expected the input '\(name)', found \(feeding.keys.sorted().joined(separator: ", "))")
        }
        for variable in parameters + otherVariables {
            guard let value = values[variable.name], value.dtype == variable.dtype, value.shape == variable.shape else {
                let found = values[variable.name].map { "\($0.dtype) \($0.shape)" } ?? "none"
                throw .invalidArgument("Variable '\(variable.name)': expected a value of \(variable.dtype) \(variable.shape), found \(found)")
            }
        }
        let declared = try declareVariables(in: builder) { variable, declare in
            guard let value = values[variable.name] else { return declare() }
            return builder.variable(variable.name) { builder.constant(value) }
        }
        var copy = GraphCopy(of: graph, in: builder, replacing: declared.replacing.merging(replacing) { $1 }, rewriting: declared.rewriting)
        let outputs = try copy.copy(wanted)
        let initializer = builder.group(declared.all.map(\.initializer), name: "initialize")
        let session = try await Session(builder.graph(), registry: .standard)
        try await session.run(initializer)
        let reply = try await session.run(fetches: outputs.map(\.name), feeds: feeds)
        try await session.close()
        return Dictionary(zip(names, reply.tensors.map(\.tensor)), uniquingKeysWith: { first, _ in first })
    }

    /// The output of this name.
    private func endpoint(_ name: String) throws(Status) -> Endpoint {
        if let endpoint = name == ModelGraph.predictionsName ? predictions : outputs[name] { return endpoint }
        let known = (predictions.map { _ in [ModelGraph.predictionsName] } ?? []) + outputs.keys.sorted()
        throw .invalidArgument("Expected an output of the model, \(known.joined(separator: ", ")), found '\(name)'")
    }

    /// The nodes that outputs need, if these others are fed.
    private func needed(for outputs: [Endpoint], fed: Set<Endpoint>) -> Set<NodeID> {
        var visited = Set<NodeID>()
        var stack = outputs
        while let endpoint = stack.popLast() {
            guard !fed.contains(endpoint), visited.insert(endpoint.node).inserted else { continue }
            stack += graph.nodes[endpoint.node].inputs
        }
        return visited
    }
}

extension Tensor {
    /// Normally distributed numbers of type `float32` with the mean 0 and the deviation 1, which follow from a seed.
    package static func standardNormal(_ shape: Shape, seed: Int) async throws(Status) -> Tensor {
        let builder = GraphBuilder(registry: .standard)
        guard let normal = builder.random("RandomStandardNormal", shape, seed, .float32) else { throw builder.failure ?? .internalError("no numbers") }
        let session = try await Session(builder.graph(), registry: .standard)
        let values = try await session.run(normal)
        try await session.close()
        return values
    }
}
