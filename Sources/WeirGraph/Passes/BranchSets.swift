/// What each node's turn depends on: branches that must be taken, and whatever may make a step wait (messages, queues,
/// calls). Nodes of equal sets are alive together, and none is held up by what does not hold up the others: to wait for
/// more than it needs may be to wait for ever, when what is waited for needs the node.
struct BranchSets {
    private enum Branch: Hashable {
        case taken(Endpoint, output: Int)
        case after(NodeID)
        /// Everything that node's turn depends on, where that is too much to list.
        case all(NodeID)

        var isAll: Bool { if case .all = self { true } else { false } }
    }
    /// Longer sets are not told apart by what is in them, lest a large graph with many messages take forever.
    private static let maximumCount = 32
    /// By node, a number that stands for its set; 0 is the empty one.
    private(set) var numbers: [Int]

    init(_ graph: Graph, _ order: [NodeID]) {
        numbers = [Int](repeating: 0, count: graph.nodes.count)
        // A fed tensor, too, may come late: in a partial run, when the client has seen what it fetched before.
        let waits = graph.nodes.map(\.op.mayBlock)
        guard waits.contains(true) || graph.nodes.contains(where: { $0.role == .switch || $0.role == .exit }) else {
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
                guard source.role == .switch, source.inputs.count == 2 else { return set }
                return set.union([.taken(source.inputs[1], output: input.index)])
            }
            // Most nodes depend on nothing more than what each of their inputs does.
            if !waits[id], node.role != .merge, node.role != .exit,
                let first = node.inputs.first?.node ?? node.controlInputs.first,
                node.inputs.allSatisfy({ numbers[$0.node] == numbers[first] && graph.nodes[$0.node].role != .switch }),
                node.controlInputs.allSatisfy({ numbers[$0] == numbers[first] })
            {
                numbers[id] = numbers[first]
                continue
            }
            var set: Set<Branch> = []
            if node.role == .exit {
                set = [.after(id)]
            } else if node.role == .merge {
                let inputs = node.inputs.filter { !graph.isBackEdge(from: $0.node, to: id) }.map(branches)
                set = inputs.dropFirst().reduce(inputs.first ?? []) { $0.intersection($1) }
                // Where its inputs are the two sides of one predicate, and wait for nothing else, it is alive whenever
                // what they have in common is. Any other Merge may be dead, or late, for reasons of its own.
                if inputs.count > 1, !BranchSets.areTwoSides(inputs.map { $0.subtracting(set) }) { set.insert(.after(id)) }
                for control in node.controlInputs { set.formUnion(sets[numbers[control]]) }
            } else {
                for input in node.inputs { set.formUnion(branches(input)) }
                for control in node.controlInputs { set.formUnion(sets[numbers[control]]) }
            }
            if waits[id] { set.insert(.after(id)) }
            if set.count > BranchSets.maximumCount { set = [.all(id)] }
            if !set.isEmpty { numbers[id] = number(set) }
        }
    }

    /// Whether these are "taken if true" and "taken if false" of one predicate.
    private static func areTwoSides(_ sets: [Set<Branch>]) -> Bool {
        guard sets.count == 2, sets.allSatisfy({ $0.count == 1 }), case .taken(let first, let one)? = sets[0].first,
            case .taken(let second, let other)? = sets[1].first
        else { return false }
        return first == second && one != other
    }
}
