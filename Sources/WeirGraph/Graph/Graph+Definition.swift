public import WeirTensor

extension Graph {
    /// Resolves a definition: looks up every op and connects every input.
    ///
    /// - Parameter allowingInternalNames: whether node names and ops may begin with `_`. Graphs from a master contain such
    ///   names; a client may not use them.
    /// - Throws: `invalidArgument` or `notFound` with the node's name, the expected and the found value.
    public init(_ definition: GraphDefinition, registry: OpRegistry, allowingInternalNames: Bool = true) throws(Status) {
        self.init(library: definition.library, versions: definition.versions)
        // The library is already set. Merging it again would compare each function with itself, which is slow and would happen
        // for every function body.
        var nodes = definition
        nodes.library = FunctionLibrary()
        try extend(with: nodes, registry: registry, allowingInternalNames: allowingInternalNames)
    }

    /// Adds the nodes and functions of a definition. The new nodes may use existing nodes. After an error the graph is
    /// unchanged.
    /// - Throws: as the initializer does; `invalidArgument` when the producer versions differ; `resourceExhausted` when there
    ///   are more than `maximumPortCount` ports.
    public mutating func extend(with definition: GraphDefinition, registry: OpRegistry, allowingInternalNames: Bool = true) throws(Status) {
        try definition.versions.check()
        guard nodes.isEmpty || definition.nodes.isEmpty || definition.versions.producer == versions.producer else {
            throw .invalidArgument(
                "Can't extend GraphDef at version \(versions.producer) with graph at version \(definition.versions.producer)")
        }
        var copy = self
        copy.versions = GraphVersions(
            producer: nodes.isEmpty ? definition.versions.producer : versions.producer,
            minimumConsumer: max(versions.minimumConsumer, definition.versions.minimumConsumer),
            badConsumers: versions.badConsumers + definition.versions.badConsumers.filter { !versions.badConsumers.contains($0) })
        try copy.library.merge(definition.library)
        let first = copy.nodes.count
        var portCount = copy.nodes.reduce(0) { $0 + $1.inputTypes.count + $1.outputTypes.count }
        copy.nodes.reserveCapacity(first + definition.nodes.count)
        for nodeDefinition in definition.nodes {
            try Graph.checkSyntax(nodeDefinition, allowingInternalNames)
            let op: OpDefinition
            if let known = registry[nodeDefinition.op] {
                op = known
            } else if let function = copy.library.op(nodeDefinition.op) {
                op = function
            } else {
                op = try registry.require(nodeDefinition.op)
            }
            var node = try Node(name: nodeDefinition.name, op: op, requestedDevice: nodeDefinition.device, attributes: nodeDefinition.attributes)
            node.preserved = nodeDefinition.preserved
            portCount += node.inputTypes.count + node.outputTypes.count
            guard portCount <= Graph.maximumPortCount else {
                throw .resourceExhausted(
                    "A graph has at most \(Graph.maximumPortCount) inputs and outputs of nodes; with node '\(node.name)' there are \(portCount)")
            }
            try copy.add(node)
        }
        // Connects inputs after all nodes exist, because in loops a node may use a later node.
        for (offset, nodeDefinition) in definition.nodes.enumerated() {
            try copy.connect(first + offset, nodeDefinition.inputs)
        }
        try copy.checkAcyclic()
        self = copy
    }

    /// The maximum number of ports of all nodes of a graph. An attribute can declare any number of ports, so the size of the
    /// received message does not limit it.
    package static let maximumPortCount = 1 << 24

    private mutating func connect(_ id: NodeID, _ inputs: [String]) throws(Status) {
        let name = nodes[id].name
        var controls = Set(nodes[id].controlInputs)
        for text in inputs {
            guard let reference = InputReference(text) else {
                throw .invalidArgument("Node '\(name)': input '\(text)' is not 'name', 'name:index' or '^name'")
            }
            guard let source = index[reference.node] else {
                throw .invalidArgument("Node '\(name)': Unknown input node '\(text)'")
            }
            if reference.isControl {
                if controls.insert(source).inserted { nodes[id].controlInputs.append(source) }
                continue
            }
            guard nodes[id].controlInputs.isEmpty else {
                throw .invalidArgument("Node '\(name)': data input '\(text)' comes after a control input")
            }
            guard reference.index < nodes[source].outputTypes.count else {
                throw .invalidArgument(
                    "Node '\(name)': Connecting to invalid output \(reference.index) of source node \(reference.node) "
                        + "which has \(nodes[source].outputTypes.count) outputs.")
            }
            let position = nodes[id].inputs.count
            guard position < nodes[id].inputTypes.count else {
                throw .invalidArgument(
                    "NodeDef '\(name)' expected inputs '\(Graph.list(nodes[id].inputTypes))' do not match \(inputs.filter { !$0.hasPrefix("^") }.count) inputs specified"
                )
            }
            let expected = nodes[id].inputTypes[position]
            let found = nodes[source].outputTypes[reference.index]
            guard expected.dtype == found.dtype, found.isReference || !expected.isReference else {
                throw .invalidArgument(
                    "Input \(position) of node \(name) was passed \(found) from \(reference.node):\(reference.index) incompatible with expected \(expected).")
            }
            nodes[id].inputs.append(Endpoint(source, reference.index))
        }
        guard nodes[id].inputs.count == nodes[id].inputTypes.count else {
            throw .invalidArgument(
                "NodeDef '\(name)' expected inputs '\(Graph.list(nodes[id].inputTypes))' do not match \(nodes[id].inputs.count) inputs specified")
        }
    }

    private static func list(_ types: [PortType]) -> String { types.map(\.description).joined(separator: ", ") }

    private static func checkSyntax(_ node: NodeDefinition, _ allowingInternalNames: Bool) throws(Status) {
        func isWord(_ byte: UInt8) -> Bool {
            (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte)
        }
        let bytes = Array(node.name.utf8)
        let firstIsGood = bytes.first.map { isWord($0) || $0 == 46 || ($0 == 95 && allowingInternalNames) } ?? false
        guard firstIsGood, bytes.allSatisfy({ isWord($0) || [95, 46, 92, 47, 45, 62].contains($0) }) else {
            throw .invalidArgument("'\(node.name)' is not a valid node name")
        }
        if !allowingInternalNames, node.op.hasPrefix("_") {
            throw .invalidArgument("Node '\(node.name)': op '\(node.op)' is internal and may not be sent by a client")
        }
    }

    /// Checks that every cycle goes through a data edge from NextIteration to Merge, the only back edge of a loop. No other node
    /// can start before all its inputs have arrived, so it would wait for itself.
    private func checkAcyclic() throws(Status) {
        /// Calls `visit` with each node that a node waits for.
        func forEachPredecessor(of id: NodeID, _ visit: (NodeID) -> Void) {
            let isMerge = nodes[id].role == .merge
            for input in nodes[id].inputs where !(isMerge && nodes[input.node].role == .nextIteration) { visit(input.node) }
            for control in nodes[id].controlInputs { visit(control) }
        }
        var pending = [Int](repeating: 0, count: nodes.count)
        var consumers = [[NodeID]](repeating: [], count: nodes.count)
        for id in nodes.indices {
            forEachPredecessor(of: id) { source in
                pending[id] += 1
                consumers[source].append(id)
            }
        }
        var ready = nodes.indices.filter { pending[$0] == 0 }
        var done = 0
        while let id = ready.popLast() {
            done += 1
            for consumer in consumers[id] {
                pending[consumer] -= 1
                if pending[consumer] == 0 { ready.append(consumer) }
            }
        }
        guard done < nodes.count else { return }
        // Nodes that depend on a cycle but are not part of it are not reported.
        var waiting = consumers.map { $0.count(where: { pending[$0] > 0 }) }
        var ends = nodes.indices.filter { pending[$0] > 0 && waiting[$0] == 0 }
        while let id = ends.popLast() {
            pending[id] = 0
            forEachPredecessor(of: id) { source in
                guard pending[source] > 0 else { return }
                waiting[source] -= 1
                if waiting[source] == 0 { ends.append(source) }
            }
        }
        let cycle = nodes.indices.filter { pending[$0] > 0 }
        let names = cycle.prefix(4).map { nodes[$0].name }.joined(separator: ", ")
        throw .invalidArgument("Graph is invalid, contains a cycle with \(cycle.count) nodes, including: \(names)")
    }

    /// The serializable form of the graph. Data inputs come before control inputs. An input that does not exist gets a name that
    /// no node has, so that whoever reads the definition refuses it; see `validate`.
    public var definition: GraphDefinition {
        var result = GraphDefinition(library: library, versions: versions)
        func name(_ id: NodeID) -> String { nodes.indices.contains(id) ? nodes[id].name : "<node \(id)>" }
        result.nodes = nodes.map { node in
            var inputs = node.inputs.map { $0.index == 0 ? name($0.node) : "\(name($0.node)):\($0.index)" }
            inputs += node.controlInputs.map { "^\(name($0))" }
            var definition = NodeDefinition(
                name: node.name, op: node.op.name, inputs: inputs,
                device: node.device?.description ?? node.requestedDevice, attributes: node.attributes)
            definition.preserved = node.preserved
            return definition
        }
        return result
    }
}
