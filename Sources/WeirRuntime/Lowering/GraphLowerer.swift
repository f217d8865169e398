import WeirGraph
import WeirTensor

/// A graph in which function calls are being replaced by bodies.
struct GraphLowerer {
    /// A call that is not processed yet.
    struct PendingCall {
        let node: NodeID
        /// The functions whose inlined bodies contain the node.
        let callers: [String]
        /// Whether the node is in a branch or a loop.
        let isInControlFlow: Bool
        /// The node that it waits for there if it has no inputs.
        let gate: NodeID?
        /// Whether some of its inputs may be dead while others are alive. The inputs of an inlined call are all dead or all
        /// alive.
        let isPartlyDead: Bool
    }
    /// The outputs and effects of an inlined body.
    struct Expansion {
        var outputs: [Endpoint]
        /// The nodes that must have run when the call ends.
        var effects: [NodeID]
    }
    struct Body {
        let reference: FunctionReference
        let graph: Graph
        let isInControlFlow: [Bool]
        let frames: FrameAssignment
    }

    let registry: OpRegistry
    var graph: Graph
    let originalCount: Int
    var items: [PendingCall] = []
    private var replaced: [Endpoint: Endpoint] = [:]
    /// For each replaced call: the nodes that must have run when it ends.
    private var effectsOfCall: [NodeID: [NodeID]] = [:]
    var bodies: [String: [Body]] = [:]
    var sizes: FunctionSizes

    init(_ graph: Graph, _ registry: OpRegistry) {
        self.graph = graph
        self.registry = registry
        originalCount = graph.nodes.count
        sizes = FunctionSizes(graph.library)
    }

    static func isCandidate(_ node: Node) -> Bool {
        node.op.function != nil || node.op.functionCall != nil
    }

    mutating func run(within caller: String?) throws {
        let isInControlFlow = graph.nodesInControlFlow
        for id in graph.nodes.indices where GraphLowerer.isCandidate(graph.nodes[id]) {
            items.append(
                PendingCall(node: id, callers: caller.map { [$0] } ?? [], isInControlFlow: isInControlFlow[id], gate: nil, isPartlyDead: isInControlFlow[id]))
        }
        items.reverse()
        while let item = items.popLast() {
            let node = graph.nodes[item.node]
            if node.op.function != nil {
                try lowerCall(item, FunctionReference(node.op.name, attributes: node.attributes.values), node.inputs)
                continue
            }
            switch node.op.functionCall {
            case .call(let attribute)?:
                guard let reference = node.attributes.function(attribute) else { continue }
                try lowerCall(item, reference, node.inputs)
            case .gradient(let attribute)?:
                guard let reference = node.attributes.function(attribute) else { continue }
                try lowerGradient(item, reference)
            case .conditional(let branches)?: try lowerConditional(item, branches.compactMap { node.attributes.function($0) })
            case .selection(let attribute)?: try lowerSelection(item, node.attributes.functions(attribute) ?? [])
            case .loop(let condition, let body)?:
                guard let condition = node.attributes.function(condition), let body = node.attributes.function(body) else { continue }
                try lowerLoop(item, condition, body)
            case nil: continue
            }
        }
    }

    // MARK: Nodes

    /// Adds a new node for the call that it belongs to.
    mutating func add(
        _ name: String, _ op: String, _ inputs: [Endpoint], controls: [NodeID] = [], device: String, _ attributes: Attributes
    ) throws -> NodeID {
        try graph.add(
            Node(
                name: graph.uniqueName(name), op: registry.require(op), inputs: inputs, controlInputs: controls,
                requestedDevice: device, attributes: attributes))
    }
    func dtype(_ endpoint: Endpoint) -> DType { graph.nodes[endpoint.node].outputTypes[endpoint.index].dtype }
    /// Adds an Identity on the device of `endpoint`, with control inputs.
    mutating func identity(_ name: String, _ endpoint: Endpoint, controls: [NodeID]) throws -> NodeID {
        try add(
            name, "Identity", [endpoint], controls: controls, device: graph.nodes[endpoint.node].requestedDevice,
            ["T": .type(dtype(endpoint))])
    }

    /// The inputs and control inputs of a node. If only some of them may be dead, adds nodes that make all of them dead
    /// together. Otherwise part of the node's body could run although the node is dead.
    mutating func joined(_ item: PendingCall, _ inputs: [Endpoint]) throws -> (inputs: [Endpoint], controls: [NodeID]) {
        let node = graph.nodes[item.node]
        guard item.isPartlyDead, inputs.count + node.controlInputs.count > 1 else { return (inputs, node.controlInputs) }
        // A control edge from a Switch does not tell which branch was taken; only its values do. So the gate waits for an
        // Identity of each value.
        let taken = try inputs.enumerated().map { try identity("\(node.name)/argument_\($0)", $1, controls: []) }
        let gate = try add("\(node.name)/arguments", "NoOp", [], controls: taken + node.controlInputs, device: node.requestedDevice, [:])
        return (try taken.enumerated().map { Endpoint(try identity("\(node.name)/input_\($0)", Endpoint($1), controls: [gate])) }, [gate])
    }

    /// Records the new sources of a call's results. A node with the call's name stays, for clients that use the name.
    mutating func replace(_ id: NodeID, with result: Expansion) throws {
        let old = graph.nodes[id]
        guard result.outputs.count == old.outputTypes.count,
            zip(result.outputs, old.outputTypes).allSatisfy({ dtype($0) == $1.dtype })
        else {
            throw Status.invalidArgument(
                "Node '\(old.name)' (op \(old.op.name)) gives \(old.outputTypes.map(\.description)), its function "
                    + "\(result.outputs.map { dtype($0).description })")
        }
        // Each result gets its own Identity, so that feeding a result changes nothing else in the body.
        let outputs = try result.outputs.enumerated().map { Endpoint(try identity("\(old.name)/result_\($0)", $1, controls: [])) }
        var node: Node
        if outputs.isEmpty {
            node = try Node(
                name: old.name, op: registry.require("NoOp"), controlInputs: result.effects, requestedDevice: old.requestedDevice,
                attributes: [Lowering.attribute: true])
        } else {
            node = try Node(
                name: old.name, op: registry.require("IdentityN"), inputs: outputs, controlInputs: result.effects,
                requestedDevice: old.requestedDevice,
                attributes: ["T": .types(outputs.map { dtype($0) }), Lowering.attribute: true])
            for (index, output) in outputs.enumerated() { replaced[Endpoint(id, index)] = output }
            effectsOfCall[id] = result.effects
        }
        node.preserved = old.preserved
        graph.nodes[id] = node
    }

    // MARK: The end

    /// The graph, with all consumers of call results connected to the new sources.
    mutating func finished() throws -> Graph {
        var completions: [NodeID: NodeID] = [:]
        var id = 0
        while id < graph.nodes.count {
            defer { id += 1 }
            graph.nodes[id].inputs = graph.nodes[id].inputs.map { resolved($0) }
            for (position, control) in graph.nodes[id].controlInputs.enumerated() {
                guard let effects = effectsOfCall[control] else { continue }
                if completions[control] == nil { completions[control] = try completion(of: control, effects) }
                if let completion = completions[control] { graph.nodes[id].controlInputs[position] = completion }
            }
        }
        return graph
    }

    private func resolved(_ endpoint: Endpoint) -> Endpoint {
        var endpoint = endpoint
        while let other = replaced[endpoint] { endpoint = other }
        return endpoint
    }

    /// A node that runs when a call has ended. It waits for the results without copying them to the device of the call.
    private mutating func completion(of call: NodeID, _ effects: [NodeID]) throws -> NodeID {
        let node = graph.nodes[call]
        var controls = effects
        var known = Set(effects)
        for input in node.inputs.map({ resolved($0) }) where known.insert(input.node).inserted { controls.append(input.node) }
        return try add("\(node.name)/output_control", "NoOp", [], controls: controls, device: node.requestedDevice, [:])
    }
}

extension Node {
    var isArgument: Bool { role == .argument }
    var isResult: Bool { role == .result }
}

extension Graph {
    /// For each node, whether it may be dead or run more than once: it depends on a Switch or an Enter.
    var nodesInControlFlow: [Bool] {
        var result = [Bool](repeating: false, count: nodes.count)
        guard nodes.contains(where: { $0.op.mayOutputDead || $0.role == .enter }) else { return result }
        for id in topologicalOrder() {
            let node = nodes[id]
            result[id] =
                node.op.mayOutputDead || node.role == .enter || node.inputs.contains { result[$0.node] }
                || node.controlInputs.contains { result[$0] }
        }
        return result
    }
}
