import WeirGraph
import WeirTensor

/// A graph while calls in it are replaced.
struct LoweredGraph {
    /// A node still to be looked at.
    struct Item {
        let node: NodeID
        /// The functions whose bodies it came out of.
        let callers: [String]
        /// Whether it is in a branch or a loop, and what it waits for there if it has no inputs.
        let isInFlow: Bool
        let gate: NodeID?
        /// Whether some of its inputs may be dead while others are not. Those of a body are dead together.
        let isPartlyDead: Bool
    }
    /// What a body came to.
    struct Expansion {
        var outputs: [Endpoint]
        /// Nodes that must have run when the call is over.
        var effects: [NodeID]
    }
    struct Body {
        let reference: FunctionReference
        let graph: Graph
        let isInFlow: [Bool]
        let frames: FrameAssignment
    }

    let registry: OpRegistry
    var graph: Graph
    let originalCount: Int
    var items: [Item] = []
    private var replaced: [Endpoint: Endpoint] = [:]
    /// What those who waited for a call wait for.
    private var awaited: [NodeID: [NodeID]] = [:]
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
        let isInFlow = graph.nodesInFlow
        for id in graph.nodes.indices where LoweredGraph.isCandidate(graph.nodes[id]) {
            items.append(Item(node: id, callers: caller.map { [$0] } ?? [], isInFlow: isInFlow[id], gate: nil, isPartlyDead: isInFlow[id]))
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

    /// Adds a node of our own beside the call it belongs to.
    mutating func add(
        _ name: String, _ op: String, _ inputs: [Endpoint], controls: [NodeID] = [], device: String, _ attributes: Attributes
    ) throws -> NodeID {
        try graph.add(
            Node(
                name: graph.uniqueName(name), op: registry.require(op), inputs: inputs, controlInputs: controls,
                requestedDevice: device, attributes: attributes))
    }
    func dtype(_ endpoint: Endpoint) -> DType { graph.nodes[endpoint.node].outputTypes[endpoint.index].dtype }
    /// An Identity on the device of what it passes on, which waits for more.
    mutating func identity(_ name: String, _ endpoint: Endpoint, controls: [NodeID]) throws -> NodeID {
        try add(
            name, "Identity", [endpoint], controls: controls, device: graph.nodes[endpoint.node].requestedDevice,
            ["T": .type(dtype(endpoint))])
    }

    /// A node's inputs, and what it waits for. Where some of these may be dead and others not, they become dead together, as
    /// the node would be: or some of its body ran though it does not.
    mutating func joined(_ item: Item, _ inputs: [Endpoint]) throws -> (inputs: [Endpoint], controls: [NodeID]) {
        let node = graph.nodes[item.node]
        guard item.isPartlyDead, inputs.count + node.controlInputs.count > 1 else { return (inputs, node.controlInputs) }
        // That a branch is not taken is known to whoever takes a Switch's value, not to who waits for the Switch.
        let taken = try inputs.enumerated().map { try identity("\(node.name)/argument_\($0)", $1, controls: []) }
        let gate = try add("\(node.name)/arguments", "NoOp", [], controls: taken + node.controlInputs, device: node.requestedDevice, [:])
        return (try taken.enumerated().map { Endpoint(try identity("\(node.name)/input_\($0)", Endpoint($1), controls: [gate])) }, [gate])
    }

    /// Takes note of where a call's results now come from. The node stays, for those who ask for it by name.
    mutating func replace(_ id: NodeID, with result: Expansion) throws {
        let old = graph.nodes[id]
        guard result.outputs.count == old.outputTypes.count,
            zip(result.outputs, old.outputTypes).allSatisfy({ dtype($0) == $1.dtype })
        else {
            throw Status.invalidArgument(
                "Node '\(old.name)' (op \(old.op.name)) gives \(old.outputTypes.map(\.description)), its function "
                    + "\(result.outputs.map { dtype($0).description })")
        }
        // Of its own: who feeds a result changes nothing else of the body.
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
            awaited[id] = result.effects
        }
        node.preserved = old.preserved
        graph.nodes[id] = node
    }

    // MARK: The end

    /// The graph, with everybody taking results from where they come.
    mutating func finished() throws -> Graph {
        var completions: [NodeID: NodeID] = [:]
        var id = 0
        while id < graph.nodes.count {
            defer { id += 1 }
            graph.nodes[id].inputs = graph.nodes[id].inputs.map { resolved($0) }
            for (position, control) in graph.nodes[id].controlInputs.enumerated() {
                guard let effects = awaited[control] else { continue }
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

    /// The node that has run when a call is over: without its results travelling to the call's device.
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
    /// The nodes that may be dead, or run more than once: those that come after a Switch or an Enter.
    var nodesInFlow: [Bool] {
        var result = [Bool](repeating: false, count: nodes.count)
        guard nodes.contains(where: { $0.op.givesDead || $0.role == .enter }) else { return result }
        for id in topologicalOrder() {
            let node = nodes[id]
            result[id] =
                node.op.givesDead || node.role == .enter || node.inputs.contains { result[$0.node] }
                || node.controlInputs.contains { result[$0] }
        }
        return result
    }
}
