/// Lets nodes wait for what a NoOp waits for, not for the NoOp: the groups of dependencies that front ends write then no
/// longer stand between nodes that can be one.
public struct ControlEdges: GraphPass {
    /// A NoOp that gathers more than this stays, lest edges multiply.
    private static let maximumCount = 16

    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        var graph = graph
        for id in graph.topologicalOrder() {
            let node = graph.nodes[id]
            guard !node.controlInputs.isEmpty else { continue }
            var controls: [NodeID] = []
            for control in node.controlInputs {
                let gathered = graph.nodes[control]
                let isShort = gathered.op.name == "NoOp" && gathered.inputs.isEmpty && !gathered.controlInputs.isEmpty
                    && gathered.controlInputs.count <= ControlEdges.maximumCount
                for source in isShort ? gathered.controlInputs : [control] where !controls.contains(source) { controls.append(source) }
            }
            // Who waits for a node's value waits for the node.
            controls.removeAll { control in node.inputs.contains { $0.node == control } && graph.nodes[control].isPure }
            graph.nodes[id].controlInputs = controls
        }
        return graph
    }
}
