/// Does not compute what nobody uses: where others only wait for a node, they wait for what it would have waited for.
///
/// Gradients are full of it. A front end groups all of an op's gradients, so that none is used before all are there, also
/// that of the network's input, which is as much work as that of the first layer's weights. TensorFlow's optimizer drops
/// these too, and with them whatever errors they would have had.
public struct UnusedValues: GraphPass {
    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
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
            // A check is waited for because it may fail.
            guard node.isPure, !node.inputs.isEmpty, node.op.passThrough != .check else { continue }
            // That a branch is not taken is known to whoever uses a Switch's value, not to who waits for the Switch.
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
