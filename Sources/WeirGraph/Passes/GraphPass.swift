package import WeirTensor

/// Transforms a graph into another that computes the same values, bit for bit.
package protocol GraphPass: Sendable {
    /// Transforms one device's partition of a graph, after placement.
    func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph
}

/// What passes may use.
package struct PassEnvironment: Sendable {
    /// The ops that new nodes may have.
    package let registry: OpRegistry
    /// The device that the graph will run on. Passes use it to run kernels ahead of time.
    package let place: KernelEnvironment
    /// An environment for graphs that run at `place`.
    package init(registry: OpRegistry, place: KernelEnvironment) {
        self.registry = registry
        self.place = place
    }
}

/// The passes that transform a graph before it runs, in order. TensorFlow's grappler.
package struct GraphOptimizer: Sendable {
    /// The passes, in order.
    package var passes: [any GraphPass]

    /// All passes. `IdentityElimination` runs twice, because `ArithmeticSimplification` creates Identity nodes.
    package static let standard = GraphOptimizer(passes: [
        ConstantFolding(), IdentityElimination(), ArithmeticSimplification(), CommonSubexpressionElimination(), UnusedValueElimination(),
        ControlEdgeSimplification(),
        IdentityElimination(), ContractionFusion(), ElementwiseFusion(),
    ])
    /// No passes.
    package static let none = GraphOptimizer(passes: [])

    /// An optimizer with these passes.
    package init(passes: [any GraphPass]) { self.passes = passes }

    /// Runs the passes in order. Returns the graph unchanged for any device but the CPU.
    /// - Throws: the errors of the passes.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        // Passes use CPU kernels and assume their fused forms.
        guard environment.place.device.isHost else { return graph }
        return try passes.reduce(graph) { try $1.run($0, environment) }
    }
}

extension [NodeID] {
    /// Each node once, at its first position.
    func withoutRepetitions() -> [NodeID] {
        guard count > 1 else { return self }
        var seen = Set<NodeID>(minimumCapacity: count)
        return filter { seen.insert($0).inserted }
    }
}

extension Graph {
    /// The nodes in topological order. Back edges of loops do not count. Nodes on a cycle, and nodes after it, are missing.
    /// - Complexity: O(nodes + edges).
    public func topologicalOrder() -> [NodeID] {
        var pending = [Int](repeating: 0, count: nodes.count)
        var consumers = [[NodeID]](repeating: [], count: nodes.count)
        for (id, node) in nodes.enumerated() {
            for source in node.inputs.map(\.node) + node.controlInputs where !isBackEdge(from: source, to: id) {
                pending[id] += 1
                consumers[source].append(id)
            }
        }
        var order = nodes.indices.filter { pending[$0] == 0 }
        order.reserveCapacity(nodes.count)
        var next = 0
        while next < order.count {
            for consumer in consumers[order[next]] {
                pending[consumer] -= 1
                if pending[consumer] == 0 { order.append(consumer) }
            }
            next += 1
        }
        return order
    }

    /// The graph with its nodes in topological order, so that shapes can be inferred from node to node.
    /// - Throws: `invalidArgument` when nodes wait for each other.
    package func topologicallySorted() throws(Status) -> Graph {
        let order = topologicalOrder()
        guard order.count == nodes.count else {
            throw .invalidArgument("\(nodes.count - order.count) nodes of the graph wait for each other")
        }
        var positions = [NodeID](repeating: 0, count: nodes.count)
        for (position, id) in order.enumerated() { positions[id] = position }
        var result = Graph(library: library, versions: versions)
        for id in order {
            var node = nodes[id]
            for index in node.inputs.indices { node.inputs[index].node = positions[node.inputs[index].node] }
            node.controlInputs = node.controlInputs.map { positions[$0] }
            try result.add(node)
        }
        return result
    }

    /// Whether the edge is a loop's back edge, from NextIteration to Merge.
    func isBackEdge(from source: NodeID, to target: NodeID) -> Bool {
        nodes[source].role == .nextIteration && nodes[target].role == .merge
    }
}
