import WeirTensor

/// Merges nodes that compute the same value from the same inputs.
package struct CommonSubexpressionElimination: GraphPass {
    /// The size in bytes above which constants are not compared.
    private static let maximumConstant = 1 << 10

    private struct Key: Hashable {
        let op: String
        let inputs: [Endpoint]
        let controls: [NodeID]
        /// A hash of the attributes, because constants have no inputs that distinguish them.
        let attributes: Int
    }

    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with one node in place of equal pure nodes.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        var graph = graph
        var first: [Key: [NodeID]] = [:]
        var representative = Array(graph.nodes.indices)
        for id in graph.topologicalOrder() {
            for position in graph.nodes[id].inputs.indices {
                graph.nodes[id].inputs[position].node = representative[graph.nodes[id].inputs[position].node]
            }
            graph.nodes[id].controlInputs = graph.nodes[id].controlInputs.map { representative[$0] }.withoutRepetitions()
            let node = graph.nodes[id]
            guard node.isPure else { continue }
            if let value = node.attributes.tensor("value"), !value.dtype.isBitwise || value.byteCount > CommonSubexpressionElimination.maximumConstant {
                continue
            }
            let computationAttributes = CommonSubexpressionElimination.computationAttributes(node.attributes)
            let key = Key(
                op: node.op.name, inputs: node.inputs, controls: node.controlInputs.sorted(),
                attributes: computationAttributes.reduce(0) { $0 ^ CommonSubexpressionElimination.hash($1.key, $1.value) })
            let like = first[key, default: []].first {
                CommonSubexpressionElimination.computationAttributes(graph.nodes[$0].attributes) == computationAttributes
            }
            if let like { representative[id] = like } else { first[key, default: []].append(id) }
        }
        // Back edges of loops come from nodes that were not visited when their target was.
        for id in graph.nodes.indices {
            for position in graph.nodes[id].inputs.indices {
                graph.nodes[id].inputs[position].node = representative[graph.nodes[id].inputs[position].node]
            }
        }
        return try graph.filtered { representative[$0] == $0 }
    }

    /// A hash of one attribute. Equal attributes have equal hashes.
    private static func hash(_ name: String, _ value: AttributeValue) -> Int {
        var hasher = Hasher()
        hasher.combine(name)
        switch value {
        case .string(let value): hasher.combine(value)
        case .int(let value): hasher.combine(value)
        case .bool(let value): hasher.combine(value)
        case .type(let value): hasher.combine(value)
        case .ints(let value): hasher.combine(value)
        case .types(let value): hasher.combine(value)
        case .tensor(let value):
            hasher.combine(value.shape)
            if value.dtype.isBitwise { hasher.combine(bytes: value.bytes) }
        default: break
        }
        return hasher.finalize()
    }

    /// The attributes that determine the computation. Attributes that begin with `_` say where the node runs or what it was
    /// called.
    private static func computationAttributes(_ attributes: Attributes) -> [String: AttributeValue] {
        attributes.values.filter { !$0.key.hasPrefix("_") }
    }
}
