/// What each node's turn depends on: branches that must be taken, and whatever may make a step wait (messages, queues,
/// calls). Nodes of equal sets are alive together, and none is held up by what does not hold up the others: to wait for
/// more than it needs may be to wait for ever, when what is waited for needs the node.
struct BranchSets {
    private enum Branch: Hashable {
        case taken(Endpoint, output: Int)
        case after(NodeID)
    }
    /// By node, a number that stands for its set; 0 is the empty one.
    private(set) var numbers: [Int]

    init(_ graph: Graph, _ order: [NodeID]) {
        numbers = [Int](repeating: 0, count: graph.nodes.count)
        guard graph.nodes.contains(where: { BranchSets.isSwitch($0) || $0.op.name.hasSuffix("Exit") || BranchSets.mayWait($0) }) else {
            return
        }
        var sets: [Set<Branch>] = [[]]
        var known: [Set<Branch>: Int] = [[]: 0]
        func number(_ set: Set<Branch>) -> Int {
            if let found = known[set] { return found }
            known[set] = sets.count
            sets.append(set)
            return sets.count - 1
        }
        for id in order {
            let node = graph.nodes[id]
            func branches(_ input: Endpoint) -> Set<Branch> {
                let source = graph.nodes[input.node]
                let set = sets[numbers[input.node]]
                guard BranchSets.isSwitch(source), source.inputs.count == 2 else { return set }
                return set.union([.taken(source.inputs[1], output: input.index)])
            }
            var set: Set<Branch> = []
            if node.op.name.hasSuffix("Exit") {
                set = [.after(id)]
            } else if node.op.name == "Merge" || node.op.name == "RefMerge" {
                // Alive when one input is: in those branches only that all inputs are in.
                let inputs = node.inputs.filter { !graph.isBackEdge(from: $0.node, to: id) }.map(branches)
                set = inputs.dropFirst().reduce(inputs.first ?? []) { $0.intersection($1) }
            } else {
                for input in node.inputs { set.formUnion(branches(input)) }
                for control in node.controlInputs { set.formUnion(sets[numbers[control]]) }
            }
            if BranchSets.mayWait(node) { set.insert(.after(id)) }
            if !set.isEmpty { numbers[id] = number(set) }
        }
    }

    /// Whether a node may wait for something else than its inputs: a message (also a fed tensor, which in a partial run
    /// comes when the client has seen what it fetched before), a queue, whatever a function does.
    private static func mayWait(_ node: Node) -> Bool {
        if node.isReceive || node.op.function != nil { return true }
        return waiting.contains { node.op.name.contains($0) }
    }
    private static let waiting = [
        "Queue", "Barrier", "Stage", "Unstage", "TakeGradient", "TakeMany", "Call", "If", "While", "Case", "Collective", "Mutex",
        "SymbolicGradient",
    ]

    private static func isSwitch(_ node: Node) -> Bool { node.op.name.hasSuffix("Switch") || node.op.name == "_SwitchN" }
}
