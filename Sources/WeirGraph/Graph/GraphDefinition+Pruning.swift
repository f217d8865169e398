import WeirTensor

extension GraphDefinition {
    /// The graph with only those nodes that these nodes need, and with all assignments to the variables among them, which have
    /// the variables' initial values.
    ///
    /// Nodes that are not needed may have ops that the registry does not have. An input that does not exist stays as it is:
    /// `Graph.init` refuses it.
    /// - Parameter keepsAssignments: false leaves out the assignments that the nodes do not need.
    /// - Complexity: O(nodes + edges).
    package func pruned(to names: [String], registry: OpRegistry, keepsAssignments: Bool = true) -> GraphDefinition {
        var positions: [String: Int] = [:]
        var assignments: [String: [Int]] = [:]
        for (position, node) in nodes.enumerated() {
            positions[node.name] = position
            if keepsAssignments, registry[node.op]?.variableUse == .assignment, let variable = node.inputs.first.flatMap(InputReference.init) {
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

    /// The graph with only those functions of its library that its nodes call, themselves or through other functions.
    package func withCalledFunctions() -> GraphDefinition {
        var called: Set<String> = []
        var stack: [FunctionDefinition] = []
        func visit(_ nodes: [NodeDefinition]) {
            for node in nodes {
                for name in [node.op] + node.attributes.flatMap({ $0.value.functionNames }) {
                    guard let function = library[name], called.insert(name).inserted else { continue }
                    stack.append(function)
                    if let gradient = library.gradients[name], let function = library[gradient], called.insert(gradient).inserted { stack.append(function) }
                }
            }
        }
        visit(nodes)
        while let function = stack.popLast() { visit(function.nodes) }
        var result = self
        result.library = FunctionLibrary(library.functions.values.filter { called.contains($0.name) })
        result.library.gradients = library.gradients.filter { called.contains($0.key) && called.contains($0.value) }
        return result
    }
}

extension AttributeValue {
    /// The names of the functions in the value.
    fileprivate var functionNames: [String] {
        switch self {
        case .function(let function): [function.name] + function.attributes.values.flatMap(\.functionNames)
        case .functions(let functions): functions.flatMap { [$0.name] + $0.attributes.values.flatMap(\.functionNames) }
        default: []
        }
    }
}
