import WeirGraph
import WeirTensor

// Inlining: the nodes of a function's body replace the call.
extension GraphLowerer {
    /// Adds the nodes of a function to the graph.
    ///
    /// - Parameters:
    ///   - gate: the node that nodes without inputs wait for.
    ///   - isInControlFlow: whether the call is in a branch or a loop.
    ///   - device: the device of nodes that request none.
    mutating func inline(
        _ reference: FunctionReference, _ arguments: [Endpoint], gate: NodeID?, isInControlFlow: Bool, device: String, prefix: String,
        callers: [String]
    ) throws -> Expansion {
        let body = try body(reference)
        let outer = try DeviceName(device)
        var ids = [NodeID](repeating: -1, count: body.graph.nodes.count)
        var pivots: [Int: NodeID] = [:]
        let first = graph.nodes.count
        var effects: [NodeID: NodeID] = [:]
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
        // All nodes are added before their inputs are set, because in loops nodes use later nodes.
        for (id, node) in body.graph.nodes.enumerated() where !node.isArgument && !node.isResult {
            var copy = node
            copy.name = graph.uniqueName("\(prefix)/\(node.name)")
            copy.inputs = []
            copy.controlInputs = []
            copy.requestedDevice = node.requestedDevice.isEmpty ? device : outer.overridden(by: try DeviceName(node.requestedDevice)).description
            if case .strings(let groups)? = node.attributes["_class"] {
                let renamed = groups.map { GraphLowerer.renamed($0, prefix, in: body.graph) }
                copy.attributes["_class"] = .strings(renamed)
                // The node is colocated with a node of the body, so it takes that device.
                if node.requestedDevice.isEmpty, renamed != groups { copy.requestedDevice = "" }
            }
            // Each call has its own loop frames.
            if let frame = node.attributes.string("frame_name") { copy.attributes["frame_name"] = .string("\(prefix)/\(frame)") }
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
            if node.op.isStateful || graph.library[reference.name]?.controlReturns.values.contains(node.name) == true { effects[id] = ids[id] }
            if GraphLowerer.isCandidate(node) {
                // A node in a loop of the body cannot wait for a node outside of the loop.
                items.append(
                    PendingCall(
                        node: ids[id], callers: callers + [reference.name], isInControlFlow: isInControlFlow || body.isInControlFlow[id],
                        gate: body.isInControlFlow[id] ? nil : gate, isPartlyDead: body.isInControlFlow[id]))
            }
        }
        var result = Expansion(outputs: [], effects: try effectNodes(effects, of: body, ids, device, prefix))
        for index in 0..<outputs.count {
            guard let output = outputs[index] else {
                throw Status.invalidArgument("Function '\(reference.name)' has no result \(index)")
            }
            result.outputs.append(output)
        }
        try awaitEffects(&result, from: first, device, prefix)
        return result
    }

    /// Returns the nodes that have run when all effects of a body have happened, including those in its branches and loops.
    ///
    /// An effect in a branch may be dead. A ControlTrigger, which runs in any case, stands between it and the nodes that wait
    /// for it, so that they do not become dead. An effect in a loop delays the next iteration and so the loop's Exit nodes,
    /// which represent the effect outside of the loop.
    private mutating func effectNodes(
        _ effects: [NodeID: NodeID], of body: Body, _ ids: [NodeID], _ device: String, _ prefix: String
    ) throws -> [NodeID] {
        var byFrame = [[NodeID]](repeating: [], count: body.frames.frames.count)
        var settled: [NodeID] = []
        for (id, effect) in effects.sorted(by: { $0.key < $1.key }) {
            if body.isInControlFlow[id] { byFrame[body.frames.frameOfNode[id]].append(effect) } else { settled.append(effect) }
        }
        for frame in byFrame.indices.reversed() where !byFrame[frame].isEmpty {
            let trigger = try add("\(prefix)/effects", "ControlTrigger", [], controls: byFrame[frame], device: device, [:])
            guard frame > 0 else {
                settled.append(trigger)
                break
            }
            for (id, node) in body.graph.nodes.enumerated() where body.frames.frameOfNode[id] == frame && ids[id] >= 0 {
                if node.role == .nextIteration { graph.nodes[ids[id]].controlInputs.append(trigger) }
                if node.role == .exit { byFrame[body.frames.frames[frame].parent].append(ids[id]) }
            }
        }
        return settled
    }

    /// Makes the results wait for all effects. Results that depend on all effects already are left unchanged.
    private mutating func awaitEffects(_ result: inout Expansion, from first: NodeID, _ device: String, _ prefix: String) throws {
        guard !result.effects.isEmpty else { return }
        let effects = Set(result.effects)
        // The check of dependence takes time in proportion to results times nodes, so it is skipped for large bodies.
        let isSmall = result.outputs.count * (graph.nodes.count - first) <= 1_000_000
        var all: NodeID?
        for (index, output) in result.outputs.enumerated() where !(isSmall && depends(output.node, on: effects, from: first)) {
            if all == nil {
                all =
                    result.effects.count == 1
                    ? result.effects[0] : try add("\(prefix)/effects_done", "NoOp", [], controls: result.effects, device: device, [:])
            }
            result.outputs[index] = Endpoint(try identity("\(prefix)/output_\(index)", output, controls: all.map { [$0] } ?? []))
        }
    }

    /// Whether a node depends on all the `others`. Only nodes with IDs from `first` on are searched.
    private func depends(_ node: NodeID, on others: Set<NodeID>, from first: NodeID) -> Bool {
        var left = others
        var reached = Set<NodeID>()
        var stack = [node]
        while let id = stack.popLast(), !left.isEmpty {
            guard id >= first, reached.insert(id).inserted else { continue }
            left.remove(id)
            stack += graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs
        }
        return left.isEmpty
    }

    private static func renamed(_ group: ByteString, _ prefix: String, in body: Graph) -> ByteString {
        let text = group.description
        guard text.hasPrefix("loc:@"), body.index[String(text.dropFirst(5))] != nil else { return group }
        return ByteString("loc:@\(prefix)/\(text.dropFirst(5))")
    }

    mutating func body(_ reference: FunctionReference) throws -> Body {
        if let known = bodies[reference.name]?.first(where: { $0.reference == reference }) { return known }
        guard let definition = graph.library[reference.name] else {
            throw Status.notFound("Function \(reference.name) is not defined.")
        }
        let made = try definition.body(Attributes(reference.attributes), registry: registry, library: graph.library)
        let body = Body(reference: reference, graph: made, isInControlFlow: made.nodesInControlFlow, frames: try FrameAssignment(made))
        bodies[reference.name, default: []].append(body)
        return body
    }
}
