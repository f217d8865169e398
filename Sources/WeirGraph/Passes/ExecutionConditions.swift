/// For each node, the set of conditions that it depends on: branches that must be taken, and nodes that may block (messages,
/// queues, calls). Nodes with equal sets are dead or alive together, and wait for the same blocking nodes. Only such nodes may
/// be fused. If a fused node waited for more than one of its parts needs, and that in turn waited for this part, the step would
/// deadlock.
struct ExecutionConditions {
    private enum Branch: Hashable {
        case taken(Endpoint, output: Int)
        case after(NodeID)
        /// All conditions of this node, when there are too many to list.
        case all(NodeID)

        var isAll: Bool { if case .all = self { true } else { false } }
    }
    /// Larger sets are replaced by `all`, so that large graphs with many messages do not take too long.
    private static let maximumCount = 32
    /// For each node ID, a number that identifies its set; 0 is the empty set.
    private(set) var numbers: [Int]

    init(_ graph: Graph, _ order: [NodeID]) {
        numbers = [Int](repeating: 0, count: graph.nodes.count)
        // A fed tensor can come late, too: in a partial run the client may feed it after it has seen an earlier fetch.
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
            // The common case: all inputs have the same set, and the node adds nothing.
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
                // If the inputs are the two branches of one predicate and depend on nothing else, the Merge is alive whenever
                // the common conditions hold. Any other Merge may be dead or late for a reason of its own.
                if inputs.count > 1, !ExecutionConditions.areBothBranches(inputs.map { $0.subtracting(set) }) { set.insert(.after(id)) }
                for control in node.controlInputs { set.formUnion(sets[numbers[control]]) }
            } else {
                for input in node.inputs { set.formUnion(branches(input)) }
                for control in node.controlInputs { set.formUnion(sets[numbers[control]]) }
            }
            if waits[id] { set.insert(.after(id)) }
            if set.count > ExecutionConditions.maximumCount { set = [.all(id)] }
            if !set.isEmpty { numbers[id] = number(set) }
        }
    }

    /// Whether the sets are the true and the false branch of one predicate.
    private static func areBothBranches(_ sets: [Set<Branch>]) -> Bool {
        guard sets.count == 2, sets.allSatisfy({ $0.count == 1 }), case .taken(let first, let one)? = sets[0].first,
            case .taken(let second, let other)? = sets[1].first
        else { return false }
        return first == second && one != other
    }
}
