package import WeirTensor

/// Makes resource variables of the variables of TensorFlow 1, to which nodes hold references (`VariableV2`).
///
/// A node that reads a reference reads it when the node runs. So a read takes place after all that the reading node waits for
/// and that may change a variable; a read without such a condition is shared. Names stay the same, except that reads are added.
/// References to other things, such as queues, are left alone.
package struct ReferenceVariableConversion {
    private let registry: OpRegistry

    /// A conversion to ops of this registry.
    package init(registry: OpRegistry) { self.registry = registry }

    /// The graph with the nodes of `graph` at the same IDs, and added reads after them.
    /// - Throws: `unimplemented` with the node that passes a reference on in a way that resource variables do not have.
    package func run(_ graph: Graph) throws(Status) -> Graph {
        guard graph.nodes.contains(where: { $0.op.variableUse == .reference }) else { return graph }
        try graph.validate()
        let builder = GraphBuilder(extending: graph, registry: registry)
        if let failure = builder.failure { throw failure }
        var work = Work(source: graph, result: graph, registry: registry)
        for id in graph.topologicalOrder() { try work.convert(id, shape: builder.output(at: Endpoint(id))?.shape ?? .unknown) }
        return work.result
    }
}

/// The state of one conversion.
private struct Work {
    let source: Graph
    var result: Graph
    let registry: OpRegistry
    /// By the output that was a reference: the node of the variable's handle, and the node that changed the variable before the
    /// reference was passed on.
    private var references: [Endpoint: (handle: NodeID, change: NodeID?)] = [:]
    /// Whether a node may change a variable, or runs after one that may.
    private var followsChange: [Bool]
    /// The reads without conditions, by handle.
    private var reads: [NodeID: NodeID] = [:]

    init(source: Graph, result: Graph, registry: OpRegistry) {
        self.source = source
        self.result = result
        self.registry = registry
        followsChange = [Bool](repeating: false, count: source.nodes.count)
    }

    mutating func convert(_ id: NodeID, shape: PartialShape) throws(Status) {
        let node = source.nodes[id]
        if node.op.variableUse == .reference { return try convertVariable(id, shape) }
        let used = node.inputs.indices.filter { references[node.inputs[$0]] != nil }
        let takesReference = used.contains { node.inputTypes[$0].isReference }
        followsChange[id] = takesReference || node.inputs.contains { followsChange[$0.node] } || node.controlInputs.contains { followsChange[$0] }
        if used.isEmpty { return }
        if takesReference { return try convertUse(id, used) }
        if node.op.passThrough == .identity, node.inputs.count == 1, let variable = references[node.inputs[0]] {
            result.nodes[id] = try readNode(node.name, of: variable.handle, after: conditions(of: id, reading: 0))
            result.nodes[id].requestedDevice = node.requestedDevice
            return
        }
        for position in used { result.nodes[id].inputs[position] = Endpoint(try read(by: id, at: position)) }
    }

    private mutating func convertVariable(_ id: NodeID, _ shape: PartialShape) throws(Status) {
        let node = source.nodes[id]
        var attributes = node.attributes
        attributes["shape"] = .shape(shape)
        if attributes.string("shared_name")?.isEmpty != false { attributes["shared_name"] = .string(node.name) }
        let dtype = node.outputTypes[0].dtype
        result.nodes[id] = try converted(node, attributes, dtype, inputs: [], after: node.controlInputs)
        references[Endpoint(id)] = (id, nil)
    }

    /// Converts a node that takes a reference, for example to assign a value to the variable.
    private mutating func convertUse(_ id: NodeID, _ used: [Int]) throws(Status) {
        let node = source.nodes[id]
        guard let first = node.inputs.first, let variable = references[first], node.inputTypes[0].isReference else {
            throw .unimplemented("Node '\(node.name)' (op \(node.op.name)) takes references to variables that are not its first input")
        }
        var inputs = node.inputs
        var conditions = node.controlInputs
        for position in used {
            guard node.inputTypes[position].isReference, let reference = references[node.inputs[position]] else {
                inputs[position] = Endpoint(try read(by: id, at: position))
                continue
            }
            inputs[position] = Endpoint(reference.handle)
            if let change = reference.change { conditions.append(change) }
        }
        result.nodes[id] = try converted(
            node, node.attributes, node.inputTypes[0].dtype, inputs: inputs, after: conditions.withoutRepetitions())
        for (index, type) in node.outputTypes.enumerated() where type.isReference { references[Endpoint(id, index)] = (variable.handle, id) }
    }

    /// The node in its op's form for resource variables.
    private func converted(
        _ node: Node, _ attributes: Attributes, _ dtype: DType, inputs: [Endpoint], after controls: [NodeID]
    ) throws(Status) -> Node {
        guard let form = node.op.resourceForm, let op = registry[form] else {
            throw .unimplemented(
                "Node '\(node.name)' (op \(node.op.name)) takes a reference to a variable; expected an op that resource variables have too")
        }
        var kept: Attributes = [:]
        kept["_class"] = attributes["_class"]
        for spec in op.schema.attributes {
            // The attribute of the element type has another name in some ops.
            kept[spec.name] = attributes[spec.name] ?? (spec.kind == .type && spec.defaultValue == nil ? .type(dtype) : nil)
        }
        return try Node(
            name: node.name, op: op, inputs: inputs, controlInputs: controls, requestedDevice: node.requestedDevice, attributes: kept)
    }

    /// What a read for input `position` of a node has to wait for.
    private func conditions(of id: NodeID, reading position: Int) -> [NodeID] {
        let node = source.nodes[id]
        let change = references[node.inputs[position]]?.change
        let changed = node.inputs.indices.filter { $0 != position && references[node.inputs[$0]] == nil && followsChange[node.inputs[$0].node] }
        return ((change.map { [$0] } ?? []) + node.controlInputs + changed.map { node.inputs[$0].node }).withoutRepetitions()
    }

    /// The node that reads the variable for input `position` of a node.
    private mutating func read(by id: NodeID, at position: Int) throws(Status) -> NodeID {
        guard let variable = references[source.nodes[id].inputs[position]] else { return source.nodes[id].inputs[position].node }
        let conditions = conditions(of: id, reading: position)
        if conditions.isEmpty, let shared = reads[variable.handle] { return shared }
        let name = result.uniqueName("\(result.nodes[variable.handle].name)/read_value")
        let added = try result.add(try readNode(name, of: variable.handle, after: conditions))
        if conditions.isEmpty { reads[variable.handle] = added }
        return added
    }

    private func readNode(_ name: String, of handle: NodeID, after controls: [NodeID]) throws(Status) -> Node {
        let variable = result.nodes[handle]
        var attributes: Attributes = ["_class": .strings([ByteString("loc:@\(variable.name)")])]
        attributes["dtype"] = variable.attributes["dtype"]
        return try Node(
            name: name, op: try registry.require("ReadVariableOp"), inputs: [Endpoint(handle)], controlInputs: controls,
            requestedDevice: variable.requestedDevice, attributes: attributes)
    }
}
