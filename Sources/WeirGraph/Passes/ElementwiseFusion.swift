import WeirTensor

/// Fuses elementwise ops that use each other's results into one node, so that intermediate values stay in the cache.
///
/// All nodes of a group have the same shape and the same branch set. No path may leave a group and return to it, because the
/// fused node would depend on itself. Therefore each node has a stage, which increases by one where an edge leaves a group, and
/// all nodes of a group have the same stage.
package struct ElementwiseFusion: GraphPass {
    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with one node in place of each group.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        guard graph.nodes.contains(where: { $0.op.elementwise != nil }) else { return graph }
        let order = graph.topologicalOrder()
        guard order.count == graph.nodes.count else { return graph }
        var finder = ElementwiseGroups(graph, order, environment)
        return try ElementwiseFusion.replace(finder.findGroups(), in: graph)
    }

    /// Replaces each group by one node, at the ID of the group's last member.
    private static func replace(_ groups: [[NodeID]], in graph: Graph) throws -> Graph {
        guard !groups.isEmpty else { return graph }
        var graph = graph
        var group = [Int](repeating: -1, count: graph.nodes.count)
        for (number, members) in groups.enumerated() { for member in members { group[member] = number } }
        // The members whose values nodes outside of the group use.
        var outputs = [[NodeID]](repeating: [], count: groups.count)
        var position = [Int](repeating: -1, count: graph.nodes.count)
        for (id, node) in graph.nodes.enumerated() {
            for source in node.inputs.lazy.map(\.node) where group[source] >= 0 && group[source] != group[id] && position[source] < 0 {
                position[source] = outputs[group[source]].count
                outputs[group[source]].append(source)
            }
        }
        var fused: [NodeID: Node] = [:]
        var last = [NodeID](repeating: -1, count: groups.count)
        for (number, members) in groups.enumerated() {
            guard let made = try node(for: members, outputs[number], in: graph, { group[$0] == number }) else {
                for member in members { group[member] = -1 }
                continue
            }
            last[number] = members[members.count - 1]
            fused[last[number]] = made
        }
        for (id, node) in fused { graph.nodes[id] = node }
        for id in graph.nodes.indices {
            for index in graph.nodes[id].inputs.indices {
                let source = graph.nodes[id].inputs[index].node
                if group[source] >= 0, group[source] != group[id] || last[group[source]] == id {
                    graph.nodes[id].inputs[index] = Endpoint(last[group[source]], position[source])
                }
            }
            guard graph.nodes[id].controlInputs.contains(where: { group[$0] >= 0 }) else { continue }
            let sources = graph.nodes[id].controlInputs.map { group[$0] >= 0 ? last[group[$0]] : $0 }
            graph.nodes[id].controlInputs = sources.filter { $0 != id }.withoutRepetitions()
        }
        for id in graph.nodes.indices where group[id] >= 0 && last[group[id]] != id {
            graph.nodes[id].inputs = []
            graph.nodes[id].controlInputs = []
        }
        return try graph.filtered { group[$0] < 0 || last[group[$0]] == $0 }
    }

    /// The fused node.
    /// - Returns: nil if the members cannot be compiled to a program.
    private static func node(
        for members: [NodeID], _ outputs: [NodeID], in graph: Graph, _ isMember: (NodeID) -> Bool
    ) throws -> Node? {
        var inputs: [Endpoint] = []
        var places: [Endpoint: Int] = [:]
        var controls: [NodeID] = []
        for member in members {
            for input in graph.nodes[member].inputs where !isMember(input.node) && places[input] == nil {
                places[input] = inputs.count
                inputs.append(input)
            }
            controls += graph.nodes[member].controlInputs.filter { !isMember($0) }
        }
        guard let last = members.last,
            let program = ElementwiseProgram(members.map { (id: $0, node: graph.nodes[$0]) }, inputs: places, outputs: outputs)
        else { return nil }
        func types(_ count: Int) -> AttributeValue { .types([DType](repeating: .float32, count: count)) }
        var made = try Node(
            name: graph.nodes[last].name, op: program.definition, inputs: inputs, controlInputs: controls.withoutRepetitions(),
            requestedDevice: graph.nodes[last].requestedDevice, attributes: ["Tin": types(inputs.count), "Tout": types(outputs.count)])
        made.device = graph.nodes[last].device
        return made
    }
}

/// Finds groups of nodes that can be fused, with a union-find structure.
private struct ElementwiseGroups {
    private let graph: Graph
    private let order: [NodeID]
    private let shapes: [PartialShape]
    private let branches: ExecutionConditions
    private var stages: [Int]
    private var parents: [Int]
    private var groupShapes: [PartialShape]
    private let isCandidate: [Bool]

    init(_ graph: Graph, _ order: [NodeID], _ environment: PassEnvironment) {
        self.graph = graph
        self.order = order
        let builder = GraphBuilder(extending: graph, registry: environment.registry)
        shapes = graph.nodes.indices.map { graph.nodes[$0].outputTypes.count == 1 ? builder.shape(Endpoint($0)) : .unknown }
        branches = ExecutionConditions(graph, order)
        stages = [Int](repeating: 0, count: graph.nodes.count)
        parents = Array(graph.nodes.indices)
        groupShapes = shapes
        isCandidate = graph.nodes.map { ElementwiseProgram.canHold($0, on: environment.place.device.type) }
    }

    /// The representative of the node's group.
    private mutating func group(of id: NodeID) -> Int {
        var root = id
        while parents[root] != root { root = parents[root] }
        var next = id
        while parents[next] != root { (parents[next], next) = (root, parents[next]) }
        return root
    }

    /// - Returns: the groups of more than one elementwise op, with the members of each in topological order.
    mutating func findGroups() -> [[NodeID]] {
        for id in order {
            let node = graph.nodes[id]
            var joinable: [Int] = []
            var stage = 0
            for input in node.inputs where !graph.isBackEdge(from: input.node, to: id) {
                let source = input.node
                guard isCandidate[source], isCandidate[id] else {
                    stage = max(stage, stages[source] + (isCandidate[source] || isCandidate[id] ? 1 : 0))
                    continue
                }
                let group = group(of: source)
                if branches.numbers[source] == branches.numbers[id], (try? groupShapes[group].merging(shapes[id])) != nil {
                    joinable.append(group)
                    stage = max(stage, stages[source])
                } else {
                    stage = max(stage, stages[source] + 1)
                }
            }
            for control in node.controlInputs {
                let isWithin = isCandidate[control] && joinable.contains(group(of: control))
                let step = isWithin ? 0 : isCandidate[control] || isCandidate[id] ? 1 : 0
                stage = max(stage, stages[control] + step)
            }
            stages[id] = stage
            guard isCandidate[id] else { continue }
            // Only groups of this stage are joined; the others were left by an edge. The node's shape may be compatible with
            // each of two groups while these are not compatible with each other.
            for other in joinable where stages[other] == stage {
                let (mine, theirs) = (group(of: id), group(of: other))
                guard mine != theirs else { continue }
                guard let shape = try? groupShapes[mine].merging(groupShapes[theirs]) else {
                    // The node then joins no group and gets the next stage.
                    parents[id] = id
                    stages[id] = stage + 1
                    groupShapes[id] = shapes[id]
                    break
                }
                parents[mine] = theirs
                groupShapes[theirs] = shape
                stages[theirs] = stage
            }
        }
        var members: [Int: [NodeID]] = [:]
        for id in order where isCandidate[id] { members[group(of: id), default: []].append(id) }
        return members.values.filter { group in group.count { graph.nodes[$0].op.elementwise != nil } > 1 }
            .sorted { $0[0] < $1[0] }
    }
}
