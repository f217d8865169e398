public import WeirGraph
public import WeirTensor

/// A device as the placer sees it: it may be in another process.
public struct PlacementDevice: Sendable, Hashable {
    public var name: DeviceName
    public var incarnation: UInt64
    /// Whether it belongs to the task that places.
    public var isLocal: Bool
    public init(name: DeviceName, incarnation: UInt64, isLocal: Bool) {
        self.name = name
        self.incarnation = incarnation
        self.isLocal = isLocal
    }
    public var type: String { name.type ?? "CPU" }
}

/// Gives every node one device: where its kernel exists, where it was asked to go, with what it must stay with.
///
/// The rules are TensorFlow's. Nodes joined by references, resources or `_class` form groups that go to one device;
/// within what a group's nodes ask for, a device of the best type wins, one of this task before others, then by name.
public struct Placer: Sendable {
    public var devices: [PlacementDevice]
    public var allowsSoftPlacement: Bool
    private let types: [String]

    /// - Parameter devices: in the order in which they are preferred, all else being equal.
    public init(devices: [PlacementDevice], allowsSoftPlacement: Bool = false) {
        self.devices = devices
        self.allowsSoftPlacement = allowsSoftPlacement
        // GPU before CPU, others between, by name.
        types = Set(devices.map(\.type)).sorted { (Placer.priority($0), $1) > (Placer.priority($1), $0) }
    }

    static func priority(_ type: String) -> Int {
        switch type {
        case "GPU": 210
        case "CPU": 70
        default: 60
        }
    }

    /// The graph with a device for every node.
    /// - Throws: `invalidArgument` naming the node, what was asked for and what there is.
    public func place(_ graph: Graph) throws -> Graph {
        var graph = graph
        var groups = try ColocationGroups(graph, placer: self)
        let consumers = graph.consumers
        // First everything that has reasons of its own, then sources, which follow those that use them.
        var later: [NodeID] = []
        for id in graph.nodes.indices where graph.nodes[id].device == nil {
            if isGenerator(graph.nodes[id]), !consumers[id].isEmpty {
                later.append(id)
            } else {
                let preferred = followsInput(graph.nodes[id]) ? graph.nodes[id].inputs.first.flatMap { graph.nodes[$0.node].device } : nil
                graph.nodes[id].device = try groups.choose(id, graph, preferring: preferred)
            }
        }
        for id in later {
            let users = Set(consumers[id].compactMap { graph.nodes[$0].device })
            graph.nodes[id].device = try groups.choose(id, graph, preferring: users.count == 1 ? users.first : nil)
        }
        return graph
    }

    /// Sources with one output: constants and the like, best placed where they are used.
    private func isGenerator(_ node: Node) -> Bool {
        node.inputs.isEmpty && node.controlInputs.isEmpty && node.outputTypes.count == 1 && !node.outputTypes[0].isReference
            && node.outputTypes[0].dtype != .resource
    }
    /// Ops that look only at their input's metadata cost nothing where the input is.
    private func followsInput(_ node: Node) -> Bool { node.op.readsOnlyShapes }

    /// The device types that have a kernel for this node, best first.
    func supportedTypes(_ node: Node) -> [String] {
        if node.op.function != nil { return types }
        return types.filter { node.op.support(on: $0, node.attributes) != nil }
    }
    var allTypes: [String] { types }

    /// The devices that match a spec and have one of the types, best first.
    func candidates(_ spec: DeviceName, _ supported: [String]) -> [PlacementDevice] {
        devices.filter { $0.name.matches(spec) && supported.contains($0.type) }.sorted { a, b in
            if a.type != b.type { return Placer.priority(a.type) > Placer.priority(b.type) }
            if a.isLocal != b.isLocal { return a.isLocal }
            return a.name.description < b.name.description
        }
    }
}

extension Graph {
    /// Leaves nodes with state where they were when the graph was placed before, smaller.
    public mutating func keepDevices(of placed: Graph) {
        for node in placed.nodes where node.op.isStateful {
            if let id = index[node.name] { nodes[id].device = node.device }
        }
    }

    /// For each node, those that use its outputs or wait for it.
    var consumers: [[NodeID]] {
        var result = [[NodeID]](repeating: [], count: nodes.count)
        for (id, node) in nodes.enumerated() { for input in node.inputs { result[input.node].append(id) } }
        return result
    }
}
