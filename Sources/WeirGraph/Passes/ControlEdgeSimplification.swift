/// Simplifies control edges. A node that waits for a NoOp waits for the NoOp's inputs instead, and a control edge is removed if
/// it follows from other edges. Front ends group dependencies with NoOps, and these would otherwise prevent fusion.
package struct ControlEdgeSimplification: GraphPass {
    /// A NoOp with more control inputs stays, so that the number of edges does not grow too much.
    private static let maximumCount = 16
    /// The maximum number of nodes that are visited to find out whether one node runs after another.
    private static let maximumVisits = 64

    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with simplified control edges.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        var graph = graph
        var isBypassed = [Bool](repeating: false, count: graph.nodes.count)
        for id in graph.topologicalOrder() {
            let node = graph.nodes[id]
            guard !node.controlInputs.isEmpty else { continue }
            var controls: [NodeID] = []
            for control in node.controlInputs {
                let gathered = graph.nodes[control]
                let isShort =
                    gathered.role == .noOp && gathered.inputs.isEmpty && !gathered.controlInputs.isEmpty
                    && gathered.controlInputs.count <= ControlEdgeSimplification.maximumCount
                if isShort { isBypassed[control] = true }
                controls += isShort ? gathered.controlInputs : [control]
            }
            controls = controls.withoutRepetitions()
            // A Merge does not wait for all its data inputs, so they imply no order.
            if node.role != .merge, controls.count <= ControlEdgeSimplification.maximumCount {
                let candidates = controls
                for control in candidates {
                    let others = controls.filter { $0 != control }
                    if ControlEdgeSimplification.comes(after: control, node.inputs.map(\.node), others, in: graph) { controls = others }
                }
            }
            graph.nodes[id].controlInputs = controls
        }
        guard isBypassed.contains(true) else { return graph }
        for node in graph.nodes {
            for control in node.controlInputs { isBypassed[control] = false }
        }
        return try graph.filtered { !isBypassed[$0] }
    }

    /// Whether a node that waits for these inputs and control inputs always runs after `first`.
    private static func comes(after first: NodeID, _ inputs: [NodeID], _ controls: [NodeID], in graph: Graph) -> Bool {
        if inputs.contains(first) { return graph.nodes[first].isPure }
        // Follows only nodes that run after all their inputs and are dead if any input is.
        func passes(_ id: NodeID) -> Bool { graph.nodes[id].isPure || graph.nodes[id].role == .noOp }
        var pending = inputs + controls, seen = Set(pending), next = 0
        while next < pending.count {
            let id = pending[next]
            next += 1
            guard passes(id) else { continue }
            for source in graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs {
                if source == first { return true }
                if seen.count < maximumVisits, seen.insert(source).inserted { pending.append(source) }
            }
        }
        return false
    }
}
