package import WeirGraph
package import WeirTensor

/// Partitions a placed graph, with a send and a receive for each tensor that crosses from one partition to another.
/// TensorFlow's `Partition`.
///
/// The master partitions by task, and each worker partitions its part again by device. Control edges that cross are combined
/// into one message where one node waits for many others.
package struct Partitioner {
    /// The name of the partition of a device: its task or the device itself.
    private let part: @Sendable (DeviceName) -> String
    /// The incarnation of a device, a part of rendezvous keys.
    private let incarnation: (DeviceName) throws -> UInt64
    private let registry: OpRegistry
    /// `S` in the master, `G` in the worker. Keeps their names of new nodes different.
    private let suffix: String
    /// The number in the name of the next new node. Nil counts from 0 in each partitioning.
    private let number: (() -> Int)?

    /// Makes a partitioner.
    /// - Parameters:
    ///   - part: the name of the partition of a device.
    ///   - number: returns a different number at each call. Needed if the partitions of several graphs are sent to one session
    ///     of a TensorFlow worker, because it keeps sends by name as long as the session lives.
    ///   - incarnation: the incarnation of a device.
    package init(
        registry: OpRegistry, suffix: String, by part: @escaping @Sendable (DeviceName) -> String,
        numberedBy number: (() -> Int)? = nil, incarnation: @escaping (DeviceName) throws -> UInt64
    ) {
        self.registry = registry
        self.suffix = suffix
        self.number = number
        self.part = part
        self.incarnation = incarnation
    }

    private struct CrossPartitionEdge: Hashable {
        let source: Endpoint
        let isControl: Bool
        let destination: DeviceName
        let inHostMemory: Bool
    }

    /// Returns the partitions by name, each with only the functions that its nodes can call.
    /// - Throws: `internalError` for a node without a device.
    package func partition(_ graph: Graph) throws -> [(name: String, graph: Graph)] {
        var order: [String] = []
        var parts: [String: Graph] = [:]
        var partOfNode: [String] = []
        var newID: [NodeID] = []
        for node in graph.nodes {
            guard let device = node.device else { throw Status.internalError("Missing device name in: \(node.name)") }
            let name = part(device)
            if parts[name] == nil {
                parts[name] = Graph(library: graph.library, versions: graph.versions)
                order.append(name)
            }
            var copy = node
            copy.inputs = []
            copy.controlInputs = []
            newID.append(try parts[name]!.add(copy))
            partOfNode.append(name)
        }
        var counter = 0
        var edge = 0
        /// A node name that is not used in the graph.
        func fresh(_ prefix: String) -> String {
            while true {
                let name = "\(prefix)_\(suffix)\(number?() ?? counter)"
                counter += 1
                if graph.node(named: name) == nil { return name }
            }
        }
        var receives: [CrossPartitionEdge: NodeID] = [:]
        let gathers = ControlEdgeGroups(graph, partOfNode)
        var gathered: [ControlEdgeGroups.Group: NodeID] = [:]

        /// Returns the node of the destination's partition that receives the edge. Adds the send and the receive if they do not
        /// exist.
        func cross(_ source: Endpoint, isControl: Bool, to destination: NodeID, input: Int, loop: NodeID?) throws -> NodeID {
            // The send reads a variable through its reference. It must not do so before the other inputs of the reader are
            // ready.
            let isReference = !isControl && graph.nodes[source.node].outputTypes[source.index].isReference
            let after = isReference ? try readers(of: source.node, destination, input, loop) : []
            let sourceNode = graph.nodes[source.node], targetNode = graph.nodes[destination]
            guard let to = targetNode.device else { return 0 }
            let onHost = isControl ? false : isInHostMemory(targetNode, input: input)
            let crossing = CrossPartitionEdge(source: source, isControl: isControl, destination: to, inHostMemory: onHost)
            if !isReference, let known = receives[crossing] { return known }
            let result = try transfer(
                sourceNode.name, from: sourceNode.device, sent: Endpoint(newID[source.node], source.index),
                dtype: isControl ? nil : sourceNode.outputTypes[source.index].dtype,
                fromHost: !isControl && isInHostMemory(sourceNode, output: source.index), in: partOfNode[source.node], to: to,
                onHost: onHost, in: partOfNode[destination], loop: loop, after: after)
            if !isReference { receives[crossing] = result }
            return result
        }

        /// The nodes, in the partition of the variable, that a reader of the variable also waits for. A Merge does not wait for
        /// all its inputs, so only its control inputs count.
        func readers(of variable: NodeID, _ reader: NodeID, _ input: Int, _ loop: NodeID?) throws -> [NodeID] {
            let node = graph.nodes[reader]
            let inputs = node.op.role == .merge ? [] : node.inputs.enumerated().filter { $0.offset != input }.map(\.element.node)
            let others = Set(node.controlInputs + inputs)
            var result: [NodeID] = []
            for other in others.sorted() where other != variable && other != loop {
                if partOfNode[other] == partOfNode[variable] {
                    result.append(newID[other])
                } else if loop == nil {
                    result.append(try cross(Endpoint(other), isControl: true, to: variable, input: 0, loop: nil))
                }
            }
            return result
        }

        /// Returns the node of the destination's partition that runs when all nodes of a group have run.
        func cross(_ group: ControlEdgeGroups.Group, to destination: NodeID, loop: NodeID?) throws -> NodeID {
            if let known = gathered[group] { return known }
            var all = try Node(
                name: fresh("\(graph.nodes[group.sources[0]].name)/all"), op: registry.require("NoOp"),
                controlInputs: group.sources.map { newID[$0] })
            all.device = graph.nodes[group.sources[0]].device
            let source = partOfNode[group.sources[0]]
            let result = try transfer(
                graph.nodes[group.sources[0]].name, from: all.device, sent: Endpoint(try parts[source]!.add(all)), dtype: nil, fromHost: false, in: source,
                to: group.destination,
                onHost: false, in: partOfNode[destination], loop: loop)
            gathered[group] = result
            return result
        }

        /// Adds a send and a receive.
        /// - Parameters:
        ///   - name: the node that produces the value.
        ///   - dtype: nil for a control edge.
        ///   - loop: the Merge that releases the receive in each iteration; nil outside of loops.
        ///   - after: nodes of the source's partition that the send waits for.
        /// - Returns: the node of the destination's partition that represents the sent value.
        func transfer(
            _ name: String, from: DeviceName?, sent: Endpoint, dtype: DType?, fromHost: Bool, in sourcePart: String, to: DeviceName, onHost: Bool,
            in targetPart: String, loop: NodeID?, after: [NodeID] = []
        ) throws -> NodeID {
            guard let from else { throw Status.internalError("Missing device name in: \(name)") }
            var sent = sent
            if dtype == nil {
                // A control edge is sent as an empty tensor.
                var signal = try Node(
                    name: fresh("\(name)/ctrl"), op: registry.require("Const"), controlInputs: [sent.node],
                    attributes: ["dtype": .type(.float32), "value": .tensor(Tensor([Float]()))])
                signal.device = from
                sent = Endpoint(try parts[sourcePart]!.add(signal))
            }
            let attributes: Attributes = [
                "tensor_name": .string("edge_\(edge)_\(name)"), "send_device": .string(from.description),
                "recv_device": .string(to.description),
                "send_device_incarnation": .int(Int(bitPattern: UInt(try incarnation(from)))), "client_terminated": false,
            ]
            edge += 1
            var sendAttributes = attributes
            sendAttributes["T"] = .type(dtype ?? .float32)
            var send = try Node(
                name: fresh(name), op: registry.require(fromHost ? "_HostSend" : "_Send"), inputs: [sent], controlInputs: after,
                attributes: sendAttributes)
            send.device = from
            try parts[sourcePart]!.add(send)
            var receiveAttributes = attributes
            receiveAttributes["tensor_type"] = .type(dtype ?? .float32)
            var receive = try Node(
                name: fresh(name), op: registry.require(onHost ? "_HostRecv" : "_Recv"), attributes: receiveAttributes)
            receive.device = to
            if let loop { receive.controlInputs.append(newID[loop]) }
            let result = try parts[targetPart]!.add(receive)
            guard dtype == nil else { return result }
            var identity = try Node(
                name: fresh(name), op: registry.require("Identity"), inputs: [Endpoint(result)],
                attributes: ["T": .type(.float32)])
            identity.device = to
            return try parts[targetPart]!.add(identity)
        }

        for (id, node) in graph.nodes.enumerated() {
            let mine = partOfNode[id]
            let loop = node.controlInputs.first { ControlLoops.isMerge(graph.nodes[$0]) && partOfNode[$0] == mine }
            var inputs: [Endpoint] = []
            for (position, input) in node.inputs.enumerated() {
                if partOfNode[input.node] == mine {
                    inputs.append(Endpoint(newID[input.node], input.index))
                } else {
                    inputs.append(Endpoint(try cross(input, isControl: false, to: id, input: position, loop: loop)))
                }
            }
            var controls: [NodeID] = []
            for control in node.controlInputs {
                if partOfNode[control] == mine {
                    if control != loop { controls.append(newID[control]) }
                } else if gathers.group(of: control, to: id) == nil {
                    controls.append(try cross(Endpoint(control), isControl: true, to: id, input: 0, loop: loop))
                }
            }
            for group in gathers.groups(to: id) { controls.append(try cross(group, to: id, loop: loop)) }
            if let loop {
                // The receives above wait for the loop. The node keeps the edge if it has none of them, or if partitioning by
                // device will add more receives.
                let sources = node.inputs.map(\.node) + node.controlInputs
                if sources.allSatisfy({ partOfNode[$0] == mine })
                    || sources.contains(where: {
                        partOfNode[$0] == mine && graph.nodes[$0].device != node.device
                    })
                {
                    controls.append(newID[loop])
                }
            }
            parts[mine]!.nodes[newID[id]].inputs = inputs
            parts[mine]!.nodes[newID[id]].controlInputs = controls
        }
        return order.compactMap { name in parts[name].map { (name, $0) } }
    }

    /// Whether a node on a device other than a CPU takes this input, or produces this output, in host memory.
    private func isInHostMemory(_ node: Node, input: Int) -> Bool {
        guard node.inputTypes.indices.contains(input) else { return false }
        return isInHostMemory(node, node.op.schema.inputs, input, node.inputTypes[input].dtype)
    }
    private func isInHostMemory(_ node: Node, output: Int) -> Bool {
        guard node.outputTypes.indices.contains(output) else { return false }
        return isInHostMemory(node, node.op.schema.outputs, output, node.outputTypes[output].dtype)
    }
    private func isInHostMemory(_ node: Node, _ arguments: [OpSchema.Argument], _ port: Int, _ dtype: DType) -> Bool {
        guard let type = node.device?.type, type != "CPU" else { return false }
        // The tensors that variants hold are in the memory of their device, so a device moves them.
        if dtype == .variant { return false }
        if !dtype.isBitwise { return true }
        guard let kernel = node.op.support(on: type, node.attributes), !kernel.hostMemory.isEmpty,
            let ranges = try? node.op.schema.ranges(arguments, node.attributes),
            let index = ranges.firstIndex(where: { $0.contains(port) })
        else { return false }
        return kernel.hostMemory.contains(arguments[index].name)
    }
}
