import WeirGraph
import WeirTensor

// Calls of one function.
extension GraphLowerer {
    mutating func lowerCall(_ item: PendingCall, _ reference: FunctionReference, _ inputs: [Endpoint]) throws {
        guard mayInline(reference.name, item.callers) else { return }
        let node = graph.nodes[item.node]
        var arguments = try gatedArguments(item, inputs)
        // A call without results must also be dead when its arguments are.
        let isPivoted = try body(reference).graph.nodes.contains { $0.isSource } || node.outputTypes.isEmpty
        if arguments.gate == nil, item.isInControlFlow, isPivoted {
            // Dead arguments make the whole body dead.
            let pivots = try arguments.values.enumerated().map { try identity("\(node.name)/argument_\($0)", $1, controls: []) }
            if !pivots.isEmpty {
                arguments.gate = try add("\(node.name)/arguments", "NoOp", [], controls: pivots, device: node.requestedDevice, [:])
            }
        }
        var result = try inline(
            reference, arguments.values, gate: arguments.gate, isInControlFlow: item.isInControlFlow, device: node.requestedDevice, prefix: node.name,
            callers: item.callers)
        if result.outputs.isEmpty, let gate = arguments.gate { result.effects.append(gate) }
        try replace(item.node, with: result)
    }

    /// The arguments of a call, which wait for the call's control inputs, and a node that waits for exactly these (the gate).
    mutating func gatedArguments(_ item: PendingCall, _ inputs: [Endpoint]) throws -> (values: [Endpoint], gate: NodeID?) {
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
        // The task of a call cannot run nodes of other tasks, so a function with such nodes is always inlined.
        guard definition.attributes.bool("_noinline") != true || sizes.namesTasks(function) else { return false }
        return fits(function, callers)
    }
    private func fits(_ function: String, _ callers: [String]) -> Bool {
        !callers.contains(function) && sizes[function] <= Lowering.maximumSize
            && graph.nodes.count - originalCount + sizes[function] <= Lowering.maximumGrowth
    }

    /// Inlines a function, or adds a call if it must not be inlined.
    mutating func inlineOrCall(
        _ reference: FunctionReference, _ arguments: [Endpoint], gate: NodeID, device: String, prefix: String, callers: [String]
    ) throws -> Expansion {
        if mayInline(reference.name, callers) {
            return try inline(reference, arguments, gate: gate, isInControlFlow: true, device: device, prefix: prefix, callers: callers)
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

    /// Replaces a SymbolicGradient node by a call of the function's gradient function. It takes the function's arguments and
    /// the gradients of its results, and returns the gradients of its arguments.
    mutating func lowerGradient(_ item: PendingCall, _ reference: FunctionReference) throws {
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
    /// Whether the node waits for no other node.
    fileprivate var isSource: Bool { inputs.isEmpty && controlInputs.isEmpty && !isArgument }
}
