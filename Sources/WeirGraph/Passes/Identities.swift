/// Lets nodes take their inputs from where they come, not from an Identity between. What only waits for the Identity
/// still does.
public struct Identities: GraphPass {
    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        var graph = graph
        guard graph.topologicalOrder().count == graph.nodes.count else { return graph }
        var isNeeded = [Bool](repeating: true, count: graph.nodes.count)
        let changes = ChangingTensors(graph)
        // Reading a variable is more than passing on: it says when.
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
