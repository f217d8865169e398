import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// The graph of a session, its version, and its lowered and placed form. TensorFlow's `GraphExecutionState`.
final class GraphExecutionState: Sendable {
    private struct State {
        var graph: Graph
        var placed: Graph
        var version = 0
    }
    /// What an extension changed.
    struct Extension: Sendable {
        let version: Int
        let nodeCount: Int
        let placed: Graph
    }
    private let placer: Placer
    private let registry: OpRegistry
    private let state: Mutex<State>

    /// - Throws: `invalidArgument` when the graph is malformed or cannot be placed.
    init(_ graph: Graph, placer: Placer, registry: OpRegistry) throws {
        self.placer = placer
        self.registry = registry
        state = Mutex(State(graph: graph, placed: try placer.place(Lowering(registry: registry).run(graph))))
    }

    /// The lowered graph, with a device for every node.
    var placed: Graph { state.withLock { $0.placed } }

    /// Adds nodes and functions. Existing nodes with state keep their devices.
    /// - Parameter version: the version that the client has seen.
    /// - Throws: `aborted` when the graph has another version; `invalidArgument` when the new nodes do not fit.
    func extend(with definition: GraphDefinition, version: Int) async throws -> Extension {
        let before = try state.withLock { state throws(Status) in
            try GraphExecutionState.check(version, state)
            return state
        }
        // Not under the lock, which new kinds of steps take. Not on this thread, which handles messages: graphs may be large.
        let (graph, placed) = try await ComputePool.shared.result { [self] in
            var graph = before.graph
            try graph.extend(with: definition, registry: registry, allowingInternalNames: false)
            var unplaced = try Lowering(registry: registry).run(graph)
            unplaced.keepDevices(of: before.placed)
            return (graph, try placer.place(unplaced))
        }
        let newVersion = try state.withLock { state throws(Status) in
            // A concurrent extension may have been faster.
            try GraphExecutionState.check(version, state)
            state.placed = placed
            state.graph = graph
            state.version += 1
            return state.version
        }
        return Extension(version: newVersion, nodeCount: graph.nodes.count, placed: placed)
    }

    private static func check(_ version: Int, _ state: State) throws(Status) {
        guard version == state.version else {
            throw .aborted("Current version is \(state.version) but caller expected \(version).")
        }
    }
}
