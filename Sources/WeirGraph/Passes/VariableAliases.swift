/// Finds tensors whose elements may change after they were computed.
///
/// A node that reads a reference variable returns the variable's memory, so a later update changes the value that was read,
/// until an op computes a new tensor from it (decision 0011). A pass that removes such an op must replace it with a `Snapshot`.
struct VariableAliases {
    private let isChanging: [Bool]

    /// A received tensor or an argument may be a variable of another part of the graph.
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
                // An elementwise op returns a new tensor. Other ops may forward their input.
                for consumer in consumers[id] where !isChanging[consumer] && graph.nodes[consumer].op.elementwise == nil {
                    isChanging[consumer] = true
                    pending.append(consumer)
                }
            }
        }
        self.isChanging = isChanging
    }

    /// Whether the endpoint's tensor may change.
    subscript(endpoint: Endpoint) -> Bool { isChanging[endpoint.node] }
}
