/// Which tensors may change after they were made.
///
/// What reads a reference variable shares its memory, so an update shows in the value that was read, until an op that
/// computes makes another of it (decision 0011). A pass may leave that op out only if it leaves a `Snapshot` in its place.
struct ChangingTensors {
    private let isChanging: [Bool]

    /// Where the graph is a part of a larger one, what it receives may be another part's variable.
    init(_ graph: Graph) {
        var isChanging = [Bool](repeating: false, count: graph.nodes.count)
        var pending = graph.nodes.indices.filter { id in
            let node = graph.nodes[id]
            return node.role == .receive || node.role == .argument || node.outputTypes.contains(where: \.isReference)
        }
        for id in pending { isChanging[id] = true }
        if !pending.isEmpty {
            var consumers = [[NodeID]](repeating: [], count: graph.nodes.count)
            for (id, node) in graph.nodes.enumerated() { for input in node.inputs { consumers[input.node].append(id) } }
            while let id = pending.popLast() {
                // An elementwise op makes a new tensor; of others it is not known that they do.
                for consumer in consumers[id] where !isChanging[consumer] && graph.nodes[consumer].op.elementwise == nil {
                    isChanging[consumer] = true
                    pending.append(consumer)
                }
            }
        }
        self.isChanging = isChanging
    }

    subscript(endpoint: Endpoint) -> Bool { isChanging[endpoint.node] }
}
