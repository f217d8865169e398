import WeirGraph
import WeirTensor

/// Groups of nodes that must be on one device, as a union-find structure over the graph. TensorFlow's `ColocationGraph`.
struct ColocationGroups {
    private struct Group {
        /// The device that the members request together.
        var spec: DeviceName
        /// The device that members with state request. It takes precedence.
        var resourceSpec: DeviceName
        var types: [String]
        var chosen: DeviceName?
    }
    private let placer: Placer
    private var parent: [Int]
    private var groups: [Group]

    init(_ graph: Graph, placer: Placer) throws {
        self.placer = placer
        parent = Array(graph.nodes.indices)
        groups = []
        for node in graph.nodes {
            let spec = try PlacementErrors.parse(node)
            var types = placer.supportedTypes(node)
            if types.isEmpty {
                // Another task may have kernels that this process lacks. If it does not, it reports the error itself.
                let elsewhere = !spec.isEmpty && placer.devices.contains { !$0.isLocal && $0.name.matches(spec) }
                guard elsewhere else { throw PlacementErrors.noKernel(node, placer) }
                types = placer.allTypes
            }
            // Only the node that creates state fixes the device. Nodes that forward the state follow it.
            let holdsState = node.inputs.isEmpty && node.outputTypes.contains { $0.isReference || $0.dtype == .resource }
            groups.append(Group(spec: node.device ?? spec, resourceSpec: holdsState ? spec : DeviceName(), types: types, chosen: node.device))
        }
        for (id, node) in graph.nodes.enumerated() where node.op.function == nil && !ColocationGroups.mayCrossDevices(node) {
            for (input, type) in zip(node.inputs, node.inputTypes) {
                let source = graph.nodes[input.node]
                let carriesState = type.isReference || (type.dtype == .resource && source.outputTypes[input.index].dtype == .resource)
                if carriesState, source.op.function == nil, !ColocationGroups.mayCrossDevices(source) {
                    try join(input.node, id, graph, stateEdge: true)
                }
            }
        }
        var leaders: [String: Int] = [:]
        for (id, node) in graph.nodes.enumerated() {
            for name in node.attributes.strings("_class") ?? [] {
                let text = name.description
                guard text.hasPrefix("loc:@") else { continue }
                let target = String(text.dropFirst(5))
                let other = graph.index[target] ?? leaders[target]
                if let other { try join(other, id, graph, stateEdge: false) } else { leaders[target] = id }
            }
        }
    }

    /// Whether a resource handle may cross devices at this node. It may enter a function, whose body decides where it is used,
    /// and it may be forwarded.
    private static func mayCrossDevices(_ node: Node) -> Bool {
        if node.op.functionCall != nil || node.op.passThrough == .each { return true }
        return [.argument, .result, .send, .receive].contains(node.role)
    }

    private mutating func root(_ id: Int) -> Int {
        var id = id
        while parent[id] != id {
            parent[id] = parent[parent[id]]
            id = parent[id]
        }
        return id
    }

    private mutating func join(_ first: NodeID, _ second: NodeID, _ graph: Graph, stateEdge: Bool) throws {
        let (a, b) = (root(first), root(second))
        guard a != b else { return }
        var merged = groups[a]
        do {
            if stateEdge {
                do {
                    merged.resourceSpec = try groups[a].resourceSpec.merging(groups[b].resourceSpec, soft: placer.allowsSoftPlacement)
                } catch {
                    throw Status.invalidArgument(
                        "Cannot place the graph because a reference or resource edge connects colocation groups with "
                            + "incompatible resource devices: \(groups[a].resourceSpec) vs \(groups[b].resourceSpec). The edge src node is "
                            + "\(graph.nodes[first].name) , and the dst node is \(graph.nodes[second].name)")
                }
                // The device of the state takes precedence over the device that its user requests.
                if let both = try? groups[a].spec.merging(groups[b].spec, soft: placer.allowsSoftPlacement) { merged.spec = both }
            } else {
                merged.spec = try groups[b].spec.merging(groups[a].spec, soft: placer.allowsSoftPlacement)
                merged.resourceSpec = try groups[a].resourceSpec.merging(groups[b].resourceSpec, soft: placer.allowsSoftPlacement)
            }
        } catch {
            let status = Status(error)
            if stateEdge { throw status }
            if placer.allowsSoftPlacement { return }
            throw PlacementErrors.cannotColocate(graph.nodes[second], graph.nodes[first], ": \(status.message)")
        }
        let types = groups[a].types.filter(groups[b].types.contains)
        guard !types.isEmpty else {
            if placer.allowsSoftPlacement, !stateEdge { return }
            throw PlacementErrors.cannotColocate(
                graph.nodes[second], graph.nodes[first],
                " because no device type supports both of those nodes and the other nodes colocated with them.")
        }
        merged.types = types
        merged.chosen = groups[a].chosen ?? groups[b].chosen
        parent[b] = a
        groups[a] = merged
    }

    /// The device of a node's group. The first call for a group chooses it.
    mutating func choose(_ id: NodeID, _ graph: Graph, preferring preferred: DeviceName?) throws -> DeviceName {
        let group = root(id)
        if let chosen = groups[group].chosen { return chosen }
        let spec = groups[group].spec
        var candidates = placer.candidates(spec, groups[group].types)
        if candidates.isEmpty, placer.allowsSoftPlacement {
            var soft = spec
            soft.type = groups[group].resourceSpec.type
            soft.index = groups[group].resourceSpec.index
            candidates = placer.candidates(soft, groups[group].types)
            if candidates.isEmpty {
                soft.type = nil
                soft.index = nil
                candidates = placer.candidates(soft, groups[group].types)
            }
        }
        guard let best = candidates.first else {
            throw PlacementErrors.noDevice(graph.nodes[id], spec, groups[group].types, placer)
        }
        let chosen = candidates.first { $0.name == preferred }?.name ?? best.name
        groups[group].chosen = chosen
        return chosen
    }
}
