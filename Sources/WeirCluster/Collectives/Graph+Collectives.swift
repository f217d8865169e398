import WeirGraph

extension Graph {
    /// TensorFlow's `collective_graph_key`: 0 for a graph without collective ops, otherwise a number that depends only on the
    /// instance keys that attributes name. TensorFlow's workers run collective ops only in graphs whose key is not 0.
    func collectiveGraphKey(_ registry: OpRegistry) -> Int {
        var isCollective = false
        var keys: Set<Int> = []
        func add(_ op: OpDefinition, _ attributes: Attributes) {
            guard op.isCollective else { return }
            isCollective = true
            if let key = attributes.int("instance_key") { keys.insert(key) }
        }
        for node in nodes { add(node.op, node.attributes) }
        for function in library.reachable(from: self).functions.values {
            for node in function.nodes {
                if let op = registry[node.op] { add(op, node.attributes) }
            }
        }
        guard isCollective else { return 0 }
        // TensorFlow's key of graphs whose instance keys are all inputs.
        let start: UInt64 = 0x8774_aa60_5c72_9c72
        let hash = keys.sorted().reduce(start) { hash, key in
            let mixed = (hash ^ UInt64(truncatingIfNeeded: key)) &* 0x9e37_79b9_7f4a_7c15
            return mixed ^ mixed >> 29
        }
        return hash == 0 ? 1 : Int(truncatingIfNeeded: hash)
    }
}

extension OpDefinition {
    /// Whether nodes of the op take part in collective operations: their group has a key, which is an attribute or an input.
    fileprivate var isCollective: Bool {
        isStateful && (schema.attributes.contains { $0.name == "group_key" } || schema.inputs.contains { $0.name == "group_key" })
    }
}
