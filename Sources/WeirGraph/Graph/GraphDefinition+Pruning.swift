import WeirTensor

extension GraphDefinition {
    /// The graph with only those nodes that these nodes need, and with all assignments to the variables among them, which have
    /// the variables' initial values.
    ///
    /// Nodes that are not needed may have ops that the registry does not have. An input that does not exist stays as it is:
    /// `Graph.init` refuses it.
    /// - Complexity: O(nodes + edges).
    package func pruned(to names: [String], registry: OpRegistry) -> GraphDefinition {
        var positions: [String: Int] = [:]
        var assignments: [String: [Int]] = [:]
        for (position, node) in nodes.enumerated() {
            positions[node.name] = position
            if registry[node.op]?.variableUse == .assignment, let variable = node.inputs.first.flatMap(InputReference.init) {
                assignments[variable.node, default: []].append(position)
            }
        }
        var isNeeded = [Bool](repeating: false, count: nodes.count)
        var stack = names.compactMap { positions[$0] }
        while let position = stack.popLast() {
            if isNeeded[position] { continue }
            isNeeded[position] = true
            let node = nodes[position]
            stack += node.inputs.compactMap { InputReference($0).flatMap { positions[$0.node] } }
            switch registry[node.op]?.variableUse {
            case .handle, .reference: stack += assignments[node.name] ?? []
            case .read, .gather, .assignment, .update, nil: break
            }
        }
        var result = GraphDefinition(library: library, versions: versions)
        result.nodes = zip(nodes, isNeeded).filter(\.1).map(\.0)
        return result
    }
}
