public import WeirGraph
import WeirTensor

/// Puts the bodies of functions in the place of their calls, before placement: each node of a body can then go to a device
/// of its own, on any task, and wait for nothing but what it needs itself.
///
/// Functional control flow that asks for it (`_lower_using_switch_merge`, as TensorFlow's front ends do) becomes Switch and
/// Merge, or a loop of primitive ops. The rules are those of TensorFlow's master:
/// - A body's node that names no device goes where its call was asked to go; parts of a name that it lacks are the call's.
/// - What waits for a call waits for its results and for every effect of its body; whoever takes a result gets it when the
///   effects that the result does not depend on have happened, too.
/// - A node without inputs waits for what the call waits for; in a branch or a loop it is dead, or runs again, with the call.
/// - A function that is not to be inlined (`_noinline`), that calls itself, or whose body would grow past `maximumSize` stays
///   a call, which the device of its node runs.
public struct Lowering: Sendable {
    /// Nodes of one function's body, the bodies of what it calls included.
    static let maximumSize = 20_000
    /// Nodes that bodies may add to one graph.
    static let maximumGrowth = 200_000
    /// Marks the node that stands where a call was, for those who ask for the call by name.
    static let attribute = "_weir_lowered"

    private let registry: OpRegistry
    public init(registry: OpRegistry) { self.registry = registry }

    /// - Parameter caller: the function whose body the graph is; it stays a call within itself.
    /// - Throws: `invalidArgument` when a body is malformed, `notFound` when a function or an op of one does not exist.
    public func run(_ graph: Graph, within caller: String? = nil) throws -> Graph {
        guard graph.nodes.contains(where: { LoweredGraph.isCandidate($0) }) else { return graph }
        var lowered = LoweredGraph(graph, registry)
        try lowered.run(within: caller)
        return try lowered.finished()
    }
}

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
    }
    /// What a body came to.
    struct Expansion {
        var outputs: [Endpoint]
        /// Nodes that must have run when the call is over.
        var effects: [NodeID]
    }
    private struct Body {
        let reference: FunctionReference
        let graph: Graph
        let isInFlow: [Bool]
    }

    let registry: OpRegistry
    var graph: Graph
    private let originalCount: Int
    private var items: [Item] = []
    private var replaced: [Endpoint: Endpoint] = [:]
    /// What those who waited for a call wait for.
    private var awaited: [NodeID: [NodeID]] = [:]
    private var bodies: [String: [Body]] = [:]
    private var sizes: FunctionSizes

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
            items.append(Item(node: id, callers: caller.map { [$0] } ?? [], isInFlow: isInFlow[id], gate: nil))
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

    // MARK: Calls

    private mutating func lowerCall(_ item: Item, _ reference: FunctionReference, _ inputs: [Endpoint]) throws {
        guard mayInline(reference.name, item.callers) else { return }
        let node = graph.nodes[item.node]
        let arguments = try gatedArguments(item, inputs)
        var gate = arguments.gate
        if gate == nil, item.isInFlow, try body(reference).graph.nodes.contains(where: { $0.isSource }) {
            // Dead arguments make all of the body dead.
            let pivots = try arguments.values.enumerated().map { try identity("\(node.name)/argument_\($0)", $1, controls: []) }
            if !pivots.isEmpty {
                gate = try add("\(node.name)/arguments", "NoOp", [], controls: pivots, device: node.requestedDevice, [:])
            }
        }
        let result = try inline(
            reference, arguments.values, gate: gate, isInFlow: item.isInFlow, device: node.requestedDevice, prefix: node.name,
            callers: item.callers)
        try replace(item.node, with: result)
    }

    /// A call's arguments, made to wait for what the call waits for, and the node that waits for just that.
    mutating func gatedArguments(_ item: Item, _ inputs: [Endpoint]) throws -> (values: [Endpoint], gate: NodeID?) {
        let node = graph.nodes[item.node]
        guard !node.controlInputs.isEmpty else { return (inputs, item.gate) }
        let gate = try add(
            "\(node.name)/input_control", "NoOp", [], controls: node.controlInputs, device: node.requestedDevice, [:])
        return (try inputs.map { Endpoint(try identity("\(node.name)/input", $0, controls: [gate])) }, gate)
    }

    func mayInline(_ function: String, _ callers: [String]) -> Bool {
        guard let definition = graph.library[function], definition.attributes.bool("_noinline") != true else { return false }
        return !callers.contains(function) && sizes[function] <= Lowering.maximumSize
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

    /// Adds the nodes of a function.
    ///
    /// - Parameters:
    ///   - gate: what nodes without inputs wait for.
    ///   - isInFlow: whether the call is in a branch or a loop.
    ///   - device: where nodes go that name no device.
    private mutating func inline(
        _ reference: FunctionReference, _ arguments: [Endpoint], gate: NodeID?, isInFlow: Bool, device: String, prefix: String,
        callers: [String]
    ) throws -> Expansion {
        let body = try body(reference)
        let outer = try DeviceName(device)
        var ids = [NodeID](repeating: -1, count: body.graph.nodes.count)
        var pivots: [Int: NodeID] = [:]
        let first = graph.nodes.count
        var effects: [NodeID] = []
        var outputs: [Int: Endpoint] = [:]
        func argument(_ node: Node) throws -> Endpoint {
            guard let index = node.attributes.int("index"), arguments.indices.contains(index) else {
                throw Status.invalidArgument("Function '\(reference.name)' takes more arguments than the \(arguments.count) of '\(prefix)'")
            }
            guard node.outputTypes[0].dtype == dtype(arguments[index]) else {
                throw Status.invalidArgument(
                    "Function '\(reference.name)': argument \(index) must be \(node.outputTypes[0].dtype), found \(dtype(arguments[index])) in '\(prefix)'")
            }
            return arguments[index]
        }
        // Places first: loops make nodes use nodes that come after them.
        for (id, node) in body.graph.nodes.enumerated() where !node.isArgument && !node.isResult {
            var copy = node
            copy.name = graph.uniqueName("\(prefix)/\(node.name)")
            copy.inputs = []
            copy.controlInputs = []
            copy.requestedDevice = node.requestedDevice.isEmpty ? device : outer.overridden(by: try DeviceName(node.requestedDevice)).description
            if case .strings(let groups)? = node.attributes["_class"] {
                copy.attributes["_class"] = .strings(groups.map { LoweredGraph.renamed($0, prefix, in: body.graph) })
            }
            ids[id] = try graph.add(copy)
        }
        func resolve(_ input: Endpoint) throws -> Endpoint {
            let source = body.graph.nodes[input.node]
            return source.isArgument ? try argument(source) : Endpoint(ids[input.node], input.index)
        }
        for (id, node) in body.graph.nodes.enumerated() {
            if node.isResult {
                outputs[node.attributes.int("index") ?? 0] = try resolve(node.inputs[0])
                continue
            }
            guard ids[id] >= 0 else { continue }
            graph.nodes[ids[id]].inputs = try node.inputs.map(resolve)
            var controls: [NodeID] = []
            for control in node.controlInputs {
                guard body.graph.nodes[control].isArgument else {
                    controls.append(ids[control])
                    continue
                }
                let index = body.graph.nodes[control].attributes.int("index") ?? 0
                if pivots[index] == nil {
                    pivots[index] = try identity("\(prefix)/argument", try argument(body.graph.nodes[control]), controls: gate.map { [$0] } ?? [])
                }
                if let pivot = pivots[index] { controls.append(pivot) }
            }
            if node.inputs.isEmpty, controls.isEmpty, let gate { controls = [gate] }
            graph.nodes[ids[id]].controlInputs = controls
            if node.op.isStateful || graph.library[reference.name]?.controlReturns.values.contains(node.name) == true { effects.append(ids[id]) }
            if LoweredGraph.isCandidate(node) {
                items.append(
                    Item(node: ids[id], callers: callers + [reference.name], isInFlow: isInFlow || body.isInFlow[id], gate: gate))
            }
        }
        var result = Expansion(outputs: [], effects: effects)
        for index in 0..<outputs.count {
            guard let output = outputs[index] else {
                throw Status.invalidArgument("Function '\(reference.name)' has no result \(index)")
            }
            result.outputs.append(output)
        }
        try awaitEffects(&result, from: first, prefix)
        return result
    }

    /// Lets results wait for the effects that they do not depend on.
    private mutating func awaitEffects(_ result: inout Expansion, from first: NodeID, _ prefix: String) throws {
        guard !result.effects.isEmpty else { return }
        for (index, output) in result.outputs.enumerated() {
            var reached = Set<NodeID>()
            var stack = [output.node]
            while let id = stack.popLast() {
                guard id >= first, reached.insert(id).inserted else { continue }
                stack += graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs
            }
            let missing = result.effects.filter { !reached.contains($0) }
            guard !missing.isEmpty else { continue }
            result.outputs[index] = Endpoint(try identity("\(prefix)/output_\(index)", output, controls: missing))
        }
    }

    private static func renamed(_ group: ByteString, _ prefix: String, in body: Graph) -> ByteString {
        let text = group.description
        guard text.hasPrefix("loc:@"), body.index[String(text.dropFirst(5))] != nil else { return group }
        return ByteString("loc:@\(prefix)/\(text.dropFirst(5))")
    }

    private mutating func body(_ reference: FunctionReference) throws -> Body {
        if let known = bodies[reference.name]?.first(where: { $0.reference == reference }) { return known }
        guard let definition = graph.library[reference.name] else {
            throw Status.notFound("Function \(reference.name) is not defined.")
        }
        let made = try definition.body(Attributes(reference.attributes), registry: registry, library: graph.library)
        let body = Body(reference: reference, graph: made, isInFlow: made.nodesInFlow)
        bodies[reference.name, default: []].append(body)
        return body
    }

    /// A call of the function that goes back from what flows into a function's results to what flows out of its arguments.
    private mutating func lowerGradient(_ item: Item, _ reference: FunctionReference) throws {
        let node = graph.nodes[item.node]
        if let declared = graph.library.gradients[reference.name] {
            return try lowerCall(item, FunctionReference(declared, attributes: reference.attributes), node.inputs)
        }
        guard mayInline(reference.name, item.callers) else { return }
        let function = try graph.library.addGradient(of: reference, registry: registry)
        sizes = FunctionSizes(graph.library)
        try lowerCall(item, FunctionReference(function), node.inputs)
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
        var node: Node
        if result.outputs.isEmpty {
            node = try Node(
                name: old.name, op: registry.require("NoOp"), controlInputs: result.effects, requestedDevice: old.requestedDevice,
                attributes: [Lowering.attribute: true])
        } else {
            node = try Node(
                name: old.name, op: registry.require("IdentityN"), inputs: result.outputs, controlInputs: result.effects,
                requestedDevice: old.requestedDevice,
                attributes: ["T": .types(result.outputs.map { dtype($0) }), Lowering.attribute: true])
            for (index, output) in result.outputs.enumerated() { replaced[Endpoint(id, index)] = output }
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
        for input in node.inputs.map({ resolved($0) }) {
            // That a branch is not taken is known to whoever takes a Switch's value, not to who waits for the Switch.
            let source = graph.nodes[input.node].op.givesDead ? try identity("\(node.name)/result", input, controls: []) : input.node
            if !controls.contains(source) { controls.append(source) }
        }
        return try add("\(node.name)/output_control", "NoOp", [], controls: controls, device: node.requestedDevice, [:])
    }
}

extension Node {
    var isArgument: Bool { op.name == "_Arg" || op.name == "_DeviceArg" }
    var isResult: Bool { op.name == "_Retval" || op.name == "_DeviceRetval" }
    /// Whether nothing holds it back.
    fileprivate var isSource: Bool { inputs.isEmpty && controlInputs.isEmpty && !isArgument }
}

extension Graph {
    /// The nodes that may be dead, or run more than once: those that come after a Switch or an Enter.
    var nodesInFlow: [Bool] {
        var result = [Bool](repeating: false, count: nodes.count)
        guard nodes.contains(where: { $0.op.givesDead || FrameAssignment.isEnter($0) }) else { return result }
        for id in topologicalOrder() {
            let node = nodes[id]
            result[id] = node.op.givesDead || FrameAssignment.isEnter(node) || node.inputs.contains { result[$0.node] }
                || node.controlInputs.contains { result[$0] }
        }
        return result
    }
}
