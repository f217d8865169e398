/// Bypasses Identity nodes: consumers of an Identity use its input directly. An Identity with outgoing control edges stays.
package struct IdentityElimination: GraphPass {
    /// The pass. It has no state.
    package init() {}

    /// Returns the graph without the Identity nodes that are not needed.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        var graph = graph
        guard graph.topologicalOrder().count == graph.nodes.count else { return graph }
        var isNeeded = [Bool](repeating: true, count: graph.nodes.count)
        let changes = VariableAliases(graph)
        // Whether the node can be bypassed. An Identity that reads a reference variable cannot, because it determines when the
        // variable is read.
        func passesOn(_ node: Node) -> Bool {
            guard node.controlInputs.isEmpty, node.inputs.count == 1, let input = node.inputs.first else { return false }
            switch node.op.passThrough {
            case .identity, .value: break
            case .copy: guard !changes[input] else { return false }
            case .each, .check, nil: return false
            }
            let source = graph.nodes[input.node]
            return !source.outputTypes[input.index].isReference && source.device == node.device
        }
        func source(_ endpoint: Endpoint) -> Endpoint {
            var endpoint = endpoint
            while passesOn(graph.nodes[endpoint.node]) { endpoint = graph.nodes[endpoint.node].inputs[0] }
            return endpoint
        }
        for id in graph.nodes.indices where passesOn(graph.nodes[id]) { isNeeded[id] = false }
        guard isNeeded.contains(false) else { return graph }
        for id in graph.nodes.indices {
            for control in graph.nodes[id].controlInputs { isNeeded[control] = true }
        }
        let sources = graph.nodes.map { $0.inputs.map(source) }
        for id in graph.nodes.indices { graph.nodes[id].inputs = sources[id] }
        return try graph.filtered { isNeeded[$0] }
    }
}
