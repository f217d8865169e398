/// Makes of a graph another that computes the same, bit for bit.
public protocol GraphPass: Sendable {
    /// For one device's part of a graph, all of it placed.
    func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph
}

/// What passes may use.
public struct PassEnvironment: Sendable {
    public let registry: OpRegistry
    /// Where the graph will run, and so where a pass runs kernels ahead of time.
    public let place: KernelPlace
    public init(registry: OpRegistry, place: KernelPlace) {
        self.registry = registry
        self.place = place
    }
}

/// The passes that a graph goes through before it runs, in order.
public struct GraphOptimizer: Sendable {
    public var passes: [any GraphPass]

    public static let standard = GraphOptimizer(passes: [
        ConstantFolding(), Identities(), ArithmeticSimplification(), CommonSubexpressions(), UnusedValues(), ControlEdges(),
        Identities(), ProductFusion(), ElementwiseFusion(),
    ])
    public static let none = GraphOptimizer(passes: [])

    public init(passes: [any GraphPass]) { self.passes = passes }

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        // Passes run kernels and place nodes by what a CPU has.
        guard environment.place.device.isHost else { return graph }
        return try passes.reduce(graph) { try $1.run($0, environment) }
    }
}

extension [NodeID] {
    /// Each node once, where it first comes.
    func withoutRepetitions() -> [NodeID] {
        guard count > 1 else { return self }
        var seen = Set<NodeID>(minimumCapacity: count)
        return filter { seen.insert($0).inserted }
    }
}

extension Graph {
    /// The nodes in an order in which each comes after those that it needs; loops' back edges do not count.
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

    func isBackEdge(from source: NodeID, to target: NodeID) -> Bool {
        nodes[source].role == .nextIteration && nodes[target].role == .merge
    }
}
