public import WeirGraph
public import WeirTensor

/// Cuts a placed graph into parts, with a send and a receive for every tensor that crosses from one part to another.
///
/// The master cuts by task, each worker cuts its part again by device; both with this. Control edges that cross go as one
/// message where one node waits for many others.
public struct Partitioner {
    /// What a part is named by: the task's or the device's name.
    private let part: @Sendable (DeviceName) -> String
    /// The incarnation of a device, which goes into the keys.
    private let incarnation: (DeviceName) throws -> UInt64
    private let registry: OpRegistry
    /// `S` in the master, `G` in the worker: keeps the names of new nodes apart.
    private let suffix: String
    /// A number for the next new node; nil counts from zero in each cut.
    private let number: (() -> Int)?

    /// - Parameter number: gives each number once, for cuts whose parts meet in one session of a worker of TensorFlow's:
    ///   it keeps sends by name as long as the session lives.
    public init(
        registry: OpRegistry, suffix: String, by part: @escaping @Sendable (DeviceName) -> String,
        numberedBy number: (() -> Int)? = nil, incarnation: @escaping (DeviceName) throws -> UInt64
    ) {
        self.registry = registry
        self.suffix = suffix
        self.number = number
        self.part = part
        self.incarnation = incarnation
    }

    private struct Crossing: Hashable {
        let source: Endpoint
        let isControl: Bool
        let destination: DeviceName
        let inHostMemory: Bool
    }

    /// The parts by name, each with just the functions its nodes can call.
    /// - Throws: `internalError` for a node without a device.
    public func partition(_ graph: Graph) throws -> [(name: String, graph: Graph)] {
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
        /// A name that no node has.
        func fresh(_ prefix: String) -> String {
            while true {
                let name = "\(prefix)_\(suffix)\(number?() ?? counter)"
                counter += 1
                if graph.node(named: name) == nil { return name }
            }
        }
        var receives: [Crossing: NodeID] = [:]
        let gathers = ControlGathers(graph, partOfNode)
        var gathered: [ControlGathers.Group: NodeID] = [:]

        /// The node of the destination's part that stands for what crosses.
        func cross(_ source: Endpoint, isControl: Bool, to destination: NodeID, input: Int, loop: NodeID?) throws -> NodeID {
            // A variable that crosses is read when it is sent: not before what else its reader waits for.
            let isReference = !isControl && graph.nodes[source.node].outputTypes[source.index].isReference
            let after = isReference ? try readers(of: source.node, destination, input, loop) : []
            let sourceNode = graph.nodes[source.node], targetNode = graph.nodes[destination]
            guard let to = targetNode.device else { return 0 }
            let onHost = isControl ? false : isInHostMemory(targetNode, input: input)
            let crossing = Crossing(source: source, isControl: isControl, destination: to, inHostMemory: onHost)
            if !isReference, let known = receives[crossing] { return known }
            let result = try transfer(
                sourceNode.name, from: sourceNode.device, sent: Endpoint(newID[source.node], source.index),
                dtype: isControl ? nil : sourceNode.outputTypes[source.index].dtype,
                fromHost: !isControl && isInHostMemory(sourceNode, output: source.index), in: partOfNode[source.node], to: to,
                onHost: onHost, in: partOfNode[destination], loop: loop, after: after)
            if !isReference { receives[crossing] = result }
            return result
        }

        /// What a reader of a variable waits for besides it, as nodes of the variable's part. A Merge waits for one input only.
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

        /// The node of the destination's part that has run when all of a group has.
        func cross(_ group: ControlGathers.Group, to destination: NodeID, loop: NodeID?) throws -> NodeID {
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
        ///   - name: of the node that what is sent comes from.
        ///   - dtype: nil for a control edge.
        ///   - loop: the Merge that releases the receive in each iteration, where it is in a loop.
        ///   - after: nodes of the source's part that the send waits for.
        /// - Returns: the node of the destination's part that stands for what was sent.
        func transfer(
            _ name: String, from: DeviceName?, sent: Endpoint, dtype: DType?, fromHost: Bool, in sourcePart: String, to: DeviceName, onHost: Bool,
            in targetPart: String, loop: NodeID?, after: [NodeID] = []
        ) throws -> NodeID {
            guard let from else { throw Status.internalError("Missing device name in: \(name)") }
            var sent = sent
            if dtype == nil {
                // A control edge travels as an empty tensor.
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
                // Its receives have it now; who cuts this part again by device may need it for more of them.
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

    /// Whether a node takes this input, or gives this output, in host memory although it runs on another device.
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
        if !dtype.isBitwise { return true }
        guard let kernel = node.op.support(on: type, node.attributes), !kernel.hostMemory.isEmpty,
            let ranges = try? node.op.schema.ranges(arguments, node.attributes),
            let index = ranges.firstIndex(where: { $0.contains(port) })
        else { return false }
        return kernel.hostMemory.contains(arguments[index].name)
    }
}
