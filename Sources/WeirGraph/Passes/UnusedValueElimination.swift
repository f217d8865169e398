/// Removes computations whose values are not used. If other nodes only wait for such a node, a NoOp with the node's inputs as
/// control inputs replaces it.
///
/// This is frequent in gradients. A front end groups all gradients of an op, so that none is used before all are computed. The
/// group includes the gradient of the network's input, which costs as much as that of the first layer's weights. TensorFlow's
/// optimizer removes these nodes too, and with them the errors that they would have reported.
package struct UnusedValueElimination: GraphPass {
    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with NoOps in place of unused pure nodes.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        guard let noOp = environment.registry["NoOp"] else { return graph }
        var graph = graph
        var valueUsers = [Int](repeating: 0, count: graph.nodes.count)
        var isAwaited = [Bool](repeating: false, count: graph.nodes.count)
        for node in graph.nodes {
            for input in node.inputs { valueUsers[input.node] += 1 }
            for control in node.controlInputs { isAwaited[control] = true }
        }
        for id in graph.topologicalOrder().reversed() where valueUsers[id] == 0 && isAwaited[id] {
            let node = graph.nodes[id]
            // Other nodes wait for a check because it may fail, so it stays.
            guard node.isPure, !node.inputs.isEmpty, node.op.passThrough != .check else { continue }
            // Only a data edge from Switch tells that a branch is dead. A control edge from it does not, so the node stays.
            let isInBranch = node.inputs.contains {
                let role = graph.nodes[$0.node].role
                return role == .switch || role == .exit
            }
            guard !isInBranch else { continue }
            let controls = (node.inputs.map(\.node) + node.controlInputs).withoutRepetitions()
            for input in node.inputs { valueUsers[input.node] -= 1 }
            for control in controls { isAwaited[control] = true }
            var waiting = try Node(
                name: node.name, op: noOp, controlInputs: controls, requestedDevice: node.requestedDevice)
            waiting.device = node.device
            graph.nodes[id] = waiting
        }
        return graph
    }
}
