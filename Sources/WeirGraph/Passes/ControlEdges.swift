/// Lets nodes wait for what a NoOp waits for, not for the NoOp, and not for what they wait for anyway: the groups of
/// dependencies that front ends write then no longer stand between nodes that can be one.
public struct ControlEdges: GraphPass {
    /// A NoOp that gathers more than this stays, lest edges multiply.
    private static let maximumCount = 16
    /// How many nodes are looked at to find out that one comes after another.
    private static let maximumVisits = 64

    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
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
                    && gathered.controlInputs.count <= ControlEdges.maximumCount
                if isShort { isBypassed[control] = true }
                controls += isShort ? gathered.controlInputs : [control]
            }
            controls = controls.withoutRepetitions()
            // A Merge does not wait for all its inputs.
            if node.role != .merge, controls.count <= ControlEdges.maximumCount {
                let candidates = controls
                for control in candidates {
                    let others = controls.filter { $0 != control }
                    if ControlEdges.comes(after: control, node.inputs.map(\.node), others, in: graph) { controls = others }
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

    /// Whether who waits for these values and nodes waits for `first` too.
    private static func comes(after first: NodeID, _ inputs: [NodeID], _ controls: [NodeID], in graph: Graph) -> Bool {
        if inputs.contains(first) { return graph.nodes[first].isPure }
        // Only through nodes that run when all they wait for has run, and are dead when any of it is.
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
