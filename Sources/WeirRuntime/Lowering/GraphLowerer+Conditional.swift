import WeirGraph
import WeirTensor

// If and Case: Switch nodes pass the inputs to the inlined bodies of the branches, and Merge nodes join the results.
// TensorFlow's `RewriteIfNode` and `RewriteCaseNode`.
extension GraphLowerer {
    /// - Parameter branches: the branch of a true condition, then the branch of a false one.
    mutating func lowerConditional(_ item: PendingCall, _ branches: [FunctionReference]) throws {
        let node = graph.nodes[item.node]
        guard shouldLower(node, branches), branches.count == 2, !node.inputs.isEmpty else { return }
        let (inputs, controls) = try joined(item, node.inputs)
        var predicate = inputs[0]
        if dtype(predicate) != .bool {
            predicate = Endpoint(
                try add("\(node.name)/predicate", "ToBool", [predicate], device: node.requestedDevice, ["T": .type(dtype(predicate))]))
        }
        // Output 1 of a Switch is the output of a true predicate.
        try lower(item, predicate, Array(inputs.dropFirst()), controls, [branches[1], branches[0]]) { graph, name, input, selector in
            let id = try graph.add(name, "Switch", [input, selector], device: node.requestedDevice, ["T": .type(graph.dtype(input))])
            return (0..<2).map { Endpoint(id, $0) }
        }
    }

    mutating func lowerSelection(_ item: PendingCall, _ branches: [FunctionReference]) throws {
        let node = graph.nodes[item.node]
        guard shouldLower(node, branches), !branches.isEmpty, !node.inputs.isEmpty else { return }
        let (inputs, controls) = try joined(item, node.inputs)
        try lower(item, inputs[0], Array(inputs.dropFirst()), controls, branches) { graph, name, input, selector in
            let id = try graph.add(
                name, "_SwitchN", [input, selector], device: node.requestedDevice,
                ["T": .type(graph.dtype(input)), "num_outs": .int(branches.count)])
            return (0..<branches.count).map { Endpoint(id, $0) }
        }
    }

    /// - Parameter split: adds a node that sends a value to one of its outputs. There is one output for each branch.
    private mutating func lower(
        _ item: PendingCall, _ selector: Endpoint, _ inputs: [Endpoint], _ controls: [NodeID], _ branches: [FunctionReference],
        split: (inout GraphLowerer, String, Endpoint, Endpoint) throws -> [Endpoint]
    ) throws {
        let node = graph.nodes[item.node]
        var selector = selector
        if !controls.isEmpty { selector = Endpoint(try identity("\(node.name)/selector", selector, controls: controls)) }
        let pivots = try split(&self, "\(node.name)/switch_pred", selector, selector)
        let switched = try inputs.enumerated().map { try split(&self, "\(node.name)/switch_\($0)", $1, selector) }
        var results: [Expansion] = []
        var gates: [NodeID] = []
        for (number, branch) in branches.enumerated() {
            let prefix = "\(node.name)/branch_\(number)"
            let gate = try add(
                "\(prefix)/pivot", "Identity", [pivots[number]], device: node.requestedDevice, ["T": .type(dtype(selector))])
            gates.append(gate)
            results.append(
                try inlineOrCall(
                    branch, switched.map { $0[number] }, gate: gate, device: node.requestedDevice, prefix: prefix, callers: item.callers))
        }
        let count = node.outputTypes.count
        guard results.allSatisfy({ $0.outputs.count == count }) else {
            throw Status.invalidArgument(
                "Node '\(node.name)' (op \(node.op.name)) has \(count) outputs, its branches give \(results.map(\.outputs.count))")
        }
        var merged = Expansion(outputs: [], effects: [])
        for index in 0..<count {
            let id = try add(
                "\(node.name)/merge_\(index)", "Merge", results.map { $0.outputs[index] }, device: node.requestedDevice,
                ["T": .type(node.outputTypes[index].dtype), "N": .int(branches.count)])
            merged.outputs.append(Endpoint(id))
        }
        if count == 0 {
            // The branch that was taken ends when its effects have happened.
            let ends = try zip(gates, results).map { gate, result in
                Endpoint(try identity("\(node.name)/branch_end", Endpoint(gate), controls: result.effects))
            }
            merged.effects = [
                try add(
                    "\(node.name)/branch_executed", "Merge", ends, device: node.requestedDevice,
                    ["T": .type(dtype(selector)), "N": .int(branches.count)])
            ]
        }
        try replace(item.node, with: merged)
    }
}

extension GraphLowerer {
    /// Whether a node is replaced by Switch and Merge, or by the ops of a loop, instead of running as a kernel that calls
    /// functions. This is so if the front end requests it, or if its functions request tasks, because a kernel cannot run nodes
    /// of other tasks.
    func shouldLower(_ node: Node, _ functions: [FunctionReference]) -> Bool {
        node.attributes.bool(ControlFlow.lowersToSwitchMerge) == true || functions.contains { sizes.namesTasks($0.name) }
    }
}
