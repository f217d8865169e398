import WeirGraph
import WeirTensor

/// What the nodes of a traced step waited for, by the graphs that were partitioned for the devices.
///
/// Passes fold, merge and fuse nodes after partitioning, so not every node of these graphs has run. A node that has not is
/// replaced by the nodes before it that have.
struct NodeDependencies {
    /// How many nodes that did not run are replaced for one node. Bounds the time for a graph in which few nodes ran.
    private static let replacementLimit = 256
    private let nodes: [String: (graph: Graph, id: NodeID)]
    private let recorded: Set<String>

    /// - Parameter recorded: the names of the nodes that ran.
    init(_ graphs: [Graph], recorded: Set<String>) {
        var nodes: [String: (graph: Graph, id: NodeID)] = [:]
        for graph in graphs {
            for (id, node) in graph.nodes.enumerated() where recorded.contains(node.name) { nodes[node.name] = (graph, id) }
        }
        self.nodes = nodes
        self.recorded = recorded
    }

    /// Adds to a record what its node waited for and what it transferred. Does nothing for a node that is in none of the graphs,
    /// such as those in bodies of functions, nor for a transfer of a collective operation, which is no node.
    func complete(_ time: inout NodeTime) {
        guard time.transfer == nil, let (graph, id) = nodes[time.node] else { return }
        let node = graph.nodes[id]
        switch node.op.role {
        case .send: time.transfer = transfer(node, peer: "recv_device")
        case .receive: time.transfer = transfer(node, peer: "send_device")
        default: break
        }
        time.inputs = inputs(of: node, in: graph)
    }

    private func transfer(_ node: Node, peer: String) -> NodeTime.Transfer? {
        guard let edge = node.attributes.string("tensor_name"), let device = node.attributes.string(peer) else { return nil }
        return NodeTime.Transfer(edge: edge, peer: device)
    }

    private func inputs(of node: Node, in graph: Graph) -> [String] {
        var names: [String] = []
        var seen: Set<NodeID> = []
        /// Nodes that did not run, which are replaced by what they waited for.
        var absent: [NodeID] = []
        func visit(_ input: NodeID, _ name: @autoclosure () -> String) {
            if recorded.contains(graph.nodes[input].name) {
                names.append(name())
            } else if seen.insert(input).inserted {
                absent.append(input)
            }
        }
        for input in node.inputs {
            let name = graph.nodes[input.node].name
            visit(input.node, input.index == 0 ? name : "\(name):\(input.index)")
        }
        for control in node.controlInputs { visit(control, "^\(graph.nodes[control].name)") }
        var (next, replaced) = (0, Set<String>(names))
        while next < min(absent.count, NodeDependencies.replacementLimit) {
            let node = graph.nodes[absent[next]]
            next += 1
            for input in node.inputs.map(\.node) + node.controlInputs {
                let name = graph.nodes[input].name
                if !recorded.contains(name) {
                    if seen.insert(input).inserted { absent.append(input) }
                } else if replaced.insert(name).inserted {
                    names.append(name)
                }
            }
        }
        return names
    }
}
