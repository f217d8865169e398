public import WeirGraph
import WeirOps
public import WeirTensor
import WeirWire

// Frozen graphs: constants in place of variables.

extension ServableModel {
    /// The graph of a signature with constants in place of the variables. The names of its inputs and outputs are those in
    /// `signatures`.
    /// - Throws: `notFound` when there is no such signature; `unimplemented` when a variable is used in another way than by reading its
    ///   value or gathering rows, for example assigned.
    public func frozenGraph(signature name: String = ModelSignature.defaultName) throws(Status) -> GraphDefinition {
        guard let signature = signatures[name] else {
            throw .notFound("The model has the signatures \(signatures.keys.sorted().joined(separator: ", ")), not '\(name)'")
        }
        let roots = (signature.inputs.values.map(\.name) + signature.outputs.values.map(\.name)).compactMap {
            InputReference($0).flatMap { graph.index[$0.node] }
        }
        let needed = graph.ancestors(of: roots)
        let builder = GraphBuilder(registry: .standard)
        var replacing: [Endpoint: Output] = [:]
        var rewriting: [NodeID: GraphCopy.Rewrite] = [:]
        for variable in variables where needed[variable.handle.endpoint.node] {
            guard let value = values[variable.name] else { throw .internalError("Variable '\(variable.name)' has no value") }
            var constant: Output?
            for (id, node) in graph.nodes.enumerated() where needed[id] && node.inputs.first == variable.handle.endpoint {
                // One constant for all uses of the variable.
                let isFirst = constant == nil
                let shared = constant ?? builder.constant(value, name: node.op.variableUse == .read ? node.name : "\(node.name)/value")
                constant = shared
                switch node.op.variableUse {
                case .read: replacing[Endpoint(id)] = isFirst ? shared : shared.identity(name: node.name)
                case .gather:
                    let (name, batch) = (node.name, node.attributes.int("batch_dims") ?? 0)
                    rewriting[id] = { (inputs: [Output]) in
                        let axis = shared.builder.constant(Tensor(Int32(clamping: batch)), name: "\(name)/axis")
                        return shared.builder.add("GatherV2", [shared, inputs[1], axis], name: name, attributes: ["batch_dims": .int(batch)])[0]
                    }
                case .handle, .reference, .assignment, .update, nil:
                    throw .unimplemented("Node '\(node.name)' (op \(node.op.name)) uses variable '\(variable.name)', so it cannot become a constant")
                }
            }
            // A node that is rewritten has the variable's handle as an input, which it does not use.
            if let constant { replacing[variable.handle.endpoint] = constant }
        }
        var copy = GraphCopy(of: graph, in: builder, replacing: replacing, rewriting: rewriting)
        copy.copyNodes(roots.sorted())
        return try builder.graph().definition
    }

    /// Writes a signature's graph, with constants in place of the variables, as one `GraphDef`.
    /// - Throws: as `frozenGraph`; `invalidArgument` when the graph has more than 2 GiB, which a `GraphDef` cannot have; the error of a
    ///   file that cannot be written.
    public func writeFrozen(to path: String, signature name: String = ModelSignature.defaultName) throws(Status) {
        try AtomicFile.write(try frozenGraph(signature: name).serialized(), to: path, durably: true)
    }
}
