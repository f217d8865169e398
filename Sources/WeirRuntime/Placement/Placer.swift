package import WeirGraph
package import WeirTensor

/// A device for the placer. It may be in another process.
package struct PlacementDevice: Sendable, Hashable {
    /// The full name of the device.
    package var name: DeviceName
    /// The incarnation of the device, which changes when its process restarts.
    package var incarnation: UInt64
    /// Whether the device belongs to the task of the placer.
    package var isLocal: Bool
    /// Makes a description of a device.
    package init(name: DeviceName, incarnation: UInt64, isLocal: Bool) {
        self.name = name
        self.incarnation = incarnation
        self.isLocal = isLocal
    }
    /// The device type, such as `CPU` or `GPU`.
    package var type: String { name.type ?? "CPU" }
}

/// Assigns a device to every node: one that has a kernel for the node, that the node requests, and that its colocation group
/// shares. TensorFlow's `Placer`.
///
/// Nodes connected by references, resources or `_class` form groups, and each group gets one device. Among the devices that fit
/// the requests of a group, the device type with the highest priority is preferred, then devices of this task, then the first
/// name.
package struct Placer: Sendable {
    /// The devices to place nodes on.
    package var devices: [PlacementDevice]
    /// Whether a node may be placed on another device of its task when the device that it requests does not exist or has no
    /// kernel for it.
    package var allowsSoftPlacement: Bool
    private let types: [String]

    /// Makes a placer for `devices`.
    package init(devices: [PlacementDevice], allowsSoftPlacement: Bool = false) {
        self.devices = devices
        self.allowsSoftPlacement = allowsSoftPlacement
        // GPU first, then CPU, then other types by name.
        types = Set(devices.map(\.type)).sorted { (Placer.priority($0), $1) > (Placer.priority($1), $0) }
    }

    static func priority(_ type: String) -> Int {
        switch type {
        case "GPU": 210
        case "CPU": 70
        default: 60
        }
    }

    /// Returns the graph with a device for every node. Nodes that have a device keep it.
    /// - Throws: `invalidArgument` that names the node, its request and the available devices.
    package func place(_ graph: Graph) throws -> Graph {
        var graph = graph
        var groups = try ColocationGroups(graph, placer: self)
        let consumers = graph.consumers
        // Places generators last, so that they can follow their consumers.
        var later: [NodeID] = []
        for id in graph.nodes.indices where graph.nodes[id].device == nil {
            if isGenerator(graph.nodes[id]) {
                later.append(id)
            } else {
                let preferred = followsInput(graph.nodes[id]) ? graph.nodes[id].inputs.first.flatMap { graph.nodes[$0.node].device } : nil
                graph.nodes[id].device = try groups.choose(id, graph, preferring: preferred)
            }
        }
        for id in later {
            // A generator without a device yet among the consumers counts as a consumer on another device.
            let devices = Set(consumers[id].map { graph.nodes[$0].device })
            graph.nodes[id].device = try groups.choose(id, graph, preferring: devices.count == 1 ? devices.first ?? nil : nil)
        }
        return graph
    }

    /// Whether the node has no data inputs and one output that is not a reference, such as a constant. It is best placed with its
    /// consumers. TensorFlow's `IsGeneratorNode`: control inputs do not matter.
    private func isGenerator(_ node: Node) -> Bool {
        node.inputs.isEmpty && node.outputTypes.count == 1 && !node.outputTypes[0].isReference
    }
    /// Whether the op reads only the metadata of its input. It costs nothing on the device of the input.
    private func followsInput(_ node: Node) -> Bool { node.op.readsOnlyShapes }

    /// The device types with a kernel for this node, the preferred type first.
    func supportedTypes(_ node: Node) -> [String] {
        if node.op.function != nil { return types }
        return types.filter { node.op.support(on: $0, node.attributes) != nil }
    }
    var allTypes: [String] { types }

    /// The devices that match a spec and have one of the types, the preferred device first.
    func candidates(_ spec: DeviceName, _ supported: [String]) -> [PlacementDevice] {
        devices.filter { $0.name.matches(spec) && supported.contains($0.type) }.sorted { a, b in
            if a.type != b.type { return Placer.priority(a.type) > Placer.priority(b.type) }
            if a.isLocal != b.isLocal { return a.isLocal }
            return a.name.description < b.name.description
        }
    }
}

extension Graph {
    /// Keeps nodes with state on their devices from `placed`, an earlier and smaller version of this graph.
    package mutating func keepDevices(of placed: Graph) {
        for node in placed.nodes where node.op.isStateful {
            if let id = index[node.name] { nodes[id].device = node.device }
        }
    }

    /// For each node, the nodes that use its outputs or wait for it through a control edge.
    fileprivate var consumers: [[NodeID]] {
        var result = [[NodeID]](repeating: [], count: nodes.count)
        for (id, node) in nodes.enumerated() {
            for input in node.inputs { result[input.node].append(id) }
            for control in node.controlInputs { result[control].append(id) }
        }
        return result
    }
}
