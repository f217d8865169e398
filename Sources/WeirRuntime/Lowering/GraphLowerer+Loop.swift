import WeirGraph
import WeirTensor

// While: a frame with the name of its node. Values enter it, pass through the condition and the body in each iteration, and
// leave it. TensorFlow's `RewriteWhileNode`.
extension GraphLowerer {
    mutating func lowerLoop(_ item: PendingCall, _ condition: FunctionReference, _ body: FunctionReference) throws {
        let node = graph.nodes[item.node]
        guard shouldLower(node, [condition, body]) else { return }
        let isInvariant = node.inputs.indices.map { dtype(node.inputs[$0]) == .resource && forwardsArgument($0, body) }
        // If every value is invariant, no value can drive the iterations.
        guard let first = isInvariant.firstIndex(of: false) else { return }
        let (inputs, controls) = try joined(item, node.inputs)
        let device = node.requestedDevice, name = node.name
        let parallel = max(1, node.attributes.int("parallel_iterations") ?? 10)
        let types = node.inputs.map { AttributeValue.type(dtype($0)) }

        var current: [Endpoint] = []
        for (index, input) in inputs.enumerated() {
            let enter = try add(
                "\(name)/enter_\(index)", "Enter", [input], controls: controls, device: device,
                [
                    "T": types[index], "frame_name": .string(name), "is_constant": .bool(isInvariant[index]),
                    "parallel_iterations": .int(parallel),
                ])
            guard !isInvariant[index] else {
                current.append(Endpoint(enter))
                continue
            }
            // The Merge's second input, the value of the next iteration, is set later.
            current.append(
                Endpoint(
                    try add("\(name)/merge_\(index)", "Merge", [Endpoint(enter), Endpoint(enter)], device: device, ["T": types[index], "N": 2])))
        }

        let conditionGate = try add("\(name)/cond_gate", "NoOp", [], controls: [current[first].node], device: device, [:])
        let test = try inlineOrCall(
            condition, try inEachIteration(current, isInvariant, conditionGate, "\(name)/cond"), gate: conditionGate, device: device, prefix: "\(name)/cond",
            callers: item.callers)
        guard test.outputs.count == 1 else {
            throw Status.invalidArgument(
                "Expected a single scalar return value from WhileOp cond, got \(test.outputs.count) tensors. [[{{node \(name)}}]]")
        }
        var goesOn = test.outputs[0]
        if dtype(goesOn) != .bool {
            goesOn = Endpoint(try add("\(name)/cond_value", "ToBool", [goesOn], device: device, ["T": .type(dtype(goesOn))]))
        }
        goesOn = Endpoint(try add("\(name)/loop_cond", "LoopCond", [goesOn], device: device, [:]))

        var taken = current
        var result = Expansion(outputs: inputs, effects: [])
        for index in current.indices where !isInvariant[index] {
            let id = try add("\(name)/switch_\(index)", "Switch", [current[index], goesOn], device: device, ["T": types[index]])
            taken[index] = Endpoint(id, 1)
            result.outputs[index] = Endpoint(
                try add("\(name)/exit_\(index)", "Exit", [Endpoint(id, 0)], device: device, ["T": types[index]]))
        }
        let bodyGate = try add("\(name)/body_gate", "Identity", [taken[first]], device: device, ["T": types[first]])
        taken = try inEachIteration(taken, isInvariant, bodyGate, "\(name)/body")
        let next = try inlineOrCall(body, taken, gate: bodyGate, device: device, prefix: "\(name)/body", callers: item.callers)
        guard next.outputs.count == current.count, zip(next.outputs, node.inputs).allSatisfy({ dtype($0) == dtype($1) }) else {
            throw Status.invalidArgument(
                "While loop body returned \(next.outputs.map { dtype($0).description }). Expected: "
                    + "\(node.inputs.map { dtype($0).description }) [[{{node \(name)}}]]")
        }
        for index in current.indices where !isInvariant[index] {
            let id = try add("\(name)/next_\(index)", "NextIteration", [next.outputs[index]], device: device, ["T": types[index]])
            graph.nodes[current[index].node].inputs[1] = Endpoint(id)
        }
        // An invariant handle exists before the loop ends, so only the other outputs signal its end.
        result.effects = current.indices.filter { !isInvariant[$0] }.map { result.outputs[$0].node }
        try replace(item.node, with: result)
    }

    /// Makes the invariants wait for the gate in each iteration. Without this edge, a device that only reads variables for the
    /// loop would not learn of each iteration.
    private mutating func inEachIteration(_ values: [Endpoint], _ isInvariant: [Bool], _ gate: NodeID, _ prefix: String) throws -> [Endpoint] {
        try values.enumerated().map { index, value in
            isInvariant[index] ? Endpoint(try identity("\(prefix)/invariant_\(index)", value, controls: [gate])) : value
        }
    }

    /// Whether the function returns argument `index` unchanged as result `index`.
    private func forwardsArgument(_ index: Int, _ reference: FunctionReference) -> Bool {
        guard let function = graph.library[reference.name], function.inputs.indices.contains(index), function.outputs.indices.contains(index),
            function.inputs.allSatisfy({ $0.isSingle }), function.outputs.allSatisfy({ $0.isSingle }),
            var text = function.returns[function.outputs[index].name]
        else { return false }
        let nodes = Dictionary(function.nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        // Follows the Identity nodes that front ends add before results. The number of nodes bounds the search.
        for _ in 0...function.nodes.count {
            if text == function.inputs[index].name { return true }
            guard let node = nodes[String(text.prefix { $0 != ":" })], registry[node.op]?.passThrough == .identity,
                let input = node.inputs.first
            else { return false }
            text = input
        }
        return false
    }
}

extension OpSchema.Argument {
    /// Whether the argument is one tensor and not a list.
    fileprivate var isSingle: Bool {
        if case .list = type { return false }
        return countAttribute == nil
    }
}
