import WeirGraph
import WeirTensor

// Calls of one function.
extension LoweredGraph {
    mutating func lowerCall(_ item: Item, _ reference: FunctionReference, _ inputs: [Endpoint]) throws {
        guard mayInline(reference.name, item.callers) else { return }
        let node = graph.nodes[item.node]
        var arguments = try gatedArguments(item, inputs)
        // A call without results, too, is dead when its arguments are.
        let isPivoted = try body(reference).graph.nodes.contains { $0.isSource } || node.outputTypes.isEmpty
        if arguments.gate == nil, item.isInFlow, isPivoted {
            // Dead arguments make all of the body dead.
            let pivots = try arguments.values.enumerated().map { try identity("\(node.name)/argument_\($0)", $1, controls: []) }
            if !pivots.isEmpty {
                arguments.gate = try add("\(node.name)/arguments", "NoOp", [], controls: pivots, device: node.requestedDevice, [:])
            }
        }
        var result = try inline(
            reference, arguments.values, gate: arguments.gate, isInFlow: item.isInFlow, device: node.requestedDevice, prefix: node.name,
            callers: item.callers)
        if result.outputs.isEmpty, let gate = arguments.gate { result.effects.append(gate) }
        try replace(item.node, with: result)
    }

    /// A call's arguments, made to wait for what the call waits for, and the node that waits for just that.
    mutating func gatedArguments(_ item: Item, _ inputs: [Endpoint]) throws -> (values: [Endpoint], gate: NodeID?) {
        let node = graph.nodes[item.node]
        let joined = try joined(item, inputs)
        guard !joined.controls.isEmpty else { return (inputs, item.gate) }
        if joined.inputs != inputs { return (joined.inputs, joined.controls.first) }
        let gate = try add(
            "\(node.name)/input_control", "NoOp", [], controls: node.controlInputs, device: node.requestedDevice, [:])
        return (try inputs.enumerated().map { Endpoint(try identity("\(node.name)/input_\($0)", $1, controls: [gate])) }, gate)
    }

    func mayInline(_ function: String, _ callers: [String]) -> Bool {
        guard let definition = graph.library[function] else { return false }
        // What is asked to be on other tasks cannot be run by the task of the call.
        guard definition.attributes.bool("_noinline") != true || sizes.namesTasks(function) else { return false }
        return fits(function, callers)
    }
    private func fits(_ function: String, _ callers: [String]) -> Bool {
        !callers.contains(function) && sizes[function] <= Lowering.maximumSize
            && graph.nodes.count - originalCount + sizes[function] <= Lowering.maximumGrowth
    }

    /// The nodes of a function, or a call of it where it is not to be inlined.
    mutating func inlineOrCall(
        _ reference: FunctionReference, _ arguments: [Endpoint], gate: NodeID, device: String, prefix: String, callers: [String]
    ) throws -> Expansion {
        if mayInline(reference.name, callers) {
            return try inline(reference, arguments, gate: gate, isInFlow: true, device: device, prefix: prefix, callers: callers)
        }
        guard let op = graph.library.op(reference.name) else {
            throw Status.notFound("Function \(reference.name) is not defined.")
        }
        let node = try Node(
            name: graph.uniqueName(prefix), op: op, inputs: arguments, controlInputs: [gate], requestedDevice: device,
            attributes: Attributes(reference.attributes))
        guard node.inputTypes.count == arguments.count else {
            throw Status.invalidArgument("Function '\(reference.name)' takes \(node.inputTypes.count) arguments, found \(arguments.count)")
        }
        let id = try graph.add(node)
        return Expansion(outputs: node.outputTypes.indices.map { Endpoint(id, $0) }, effects: [id])
    }

    /// A call of the function that goes back from what flows into a function's results to what flows out of its arguments.
    mutating func lowerGradient(_ item: Item, _ reference: FunctionReference) throws {
        let node = graph.nodes[item.node]
        if let declared = graph.library.gradients[reference.name] {
            return try lowerCall(item, FunctionReference(declared, attributes: reference.attributes), node.inputs)
        }
        guard graph.library[reference.name] != nil, fits(reference.name, item.callers) else { return }
        let function = try graph.library.addGradient(of: reference, registry: registry)
        sizes = FunctionSizes(graph.library)
        try lowerCall(item, FunctionReference(function), node.inputs)
    }
}

extension Node {
    /// Whether nothing holds it back.
    fileprivate var isSource: Bool { inputs.isEmpty && controlInputs.isEmpty && !isArgument }
}
