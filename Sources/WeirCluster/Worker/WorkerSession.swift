import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The state of one master's session on this worker: its devices, its peers, its kernels and its graphs.
final class WorkerSession: Sendable {
    let handle: String
    let devices: LocalDevices
    let peers: WorkerPeers
    /// The session's stateful kernels.
    private let kernels = KernelStore()
    private let executors: CollectiveExecutors
    private let masterTask: String
    private let masterIncarnation: UInt64
    /// Whether only this session has the resources of its devices. Closing it then drops them.
    private let isIsolated: Bool
    /// Whether only this session has its peers. Closing it then closes them.
    private let ownsPeers: Bool

    /// A graph that is ready to run.
    struct RegisteredGraph: Sendable {
        let local: LocalGraph
        /// Runs the collective operations of its steps; nil if it has none.
        let collectives: (any CollectiveExecutor)?
    }
    private struct State {
        /// Masters of TensorFlow never deregister a graph. A graph that is evicted while it runs is kept alive by its step.
        var graphs = LRUCache<String, RegisteredGraph>(capacity: 10_000, weight: WorkerSession.maximumNodeCount)
        var counter: UInt64 = 0
    }
    /// The maximum number of nodes in all graphs of a session. They take some gigabytes.
    private static let maximumNodeCount = 4_000_000
    /// The number of RunGraph calls that run now.
    private let runs = Atomic<Int>(0)
    private let state = Mutex(State())

    init(
        handle: String, devices: LocalDevices, peers: WorkerPeers, executors: CollectiveExecutors, masterTask: String = "", masterIncarnation: UInt64 = 0,
        isIsolated: Bool = false, ownsPeers: Bool = false
    ) {
        self.handle = handle
        self.devices = devices
        self.peers = peers
        self.executors = executors
        self.masterTask = masterTask
        self.masterIncarnation = masterIncarnation
        self.isIsolated = isIsolated
        self.ownsPeers = ownsPeers
    }

    /// Whether the other session is from before a restart of this session's master.
    func isSuccessor(of other: WorkerSession) -> Bool {
        masterTask == other.masterTask && masterIncarnation != other.masterIncarnation
    }

    /// Makes a graph ready to run: partitions it by device and makes its kernels. It runs kernels, to fold constants.
    /// - Returns: the graph's handle, unique in the session.
    /// - Throws: `invalidArgument` when the graph is malformed or a node's device is not one of the session's devices.
    func register(_ request: RegisterGraph, registry: OpRegistry) throws -> String {
        var graph = try Graph(request.graph, registry: registry)
        for id in graph.nodes.indices {
            guard !graph.nodes[id].requestedDevice.isEmpty else {
                throw Status.invalidArgument("Missing device name in: \(graph.nodes[id].name)")
            }
            let name = try DeviceName(graph.nodes[id].requestedDevice)
            guard devices[name] != nil else {
                throw Status.invalidArgument(
                    "Node '\(graph.nodes[id].name)' is for device \(name), which this worker does not have; it has "
                        + devices.places.map(\.device.name.description).joined(separator: ", "))
            }
            graph.nodes[id].device = name
        }
        var options = ExecutionOptions()
        if !request.configuration.optimizes { options.optimizer = .none }
        let ready = try LocalGraph(graph, devices: devices, kernels: kernels, registry: registry, options: options)
        let hasCollectives = graph.collectiveGraphKey(registry) != 0
        let collectives = hasCollectives ? try executors.executor(leader: request.configuration.collectiveGroupLeader) : nil
        return add(RegisteredGraph(local: ready, collectives: collectives), nodeCount: graph.nodes.count)
    }

    private func add(_ graph: RegisteredGraph, nodeCount: Int) -> String {
        let (handle, evicted) = state.withLock { state in
            state.counter += 1
            let digits = String(state.counter, radix: 16)
            let handle = String(repeating: "0", count: 16 - digits.count) + digits
            return (handle, state.graphs.insert(handle, graph, weight: nodeCount))
        }
        // Releases the evicted graphs and their kernels outside of the lock.
        withExtendedLifetime(evicted) {}
        return handle
    }

    /// - Throws: `aborted` when there is no graph with this handle.
    func graph(_ handle: String) throws(Status) -> RegisteredGraph {
        guard let found = state.withLock({ $0.graphs.use(handle) }) else {
            throw .aborted("Graph handle is not found: \(handle)")
        }
        return found
    }
    var graphCount: Int { state.withLock { $0.graphs.count } }

    var isBusy: Bool { runs.load(ordering: .relaxed) > 0 }
    func begin() { runs.wrappingAdd(1, ordering: .relaxed) }
    func end() { runs.wrappingSubtract(1, ordering: .relaxed) }

    /// Waits until none of its calls runs any more, for two seconds at most: their master has cancelled them, or is gone. So what
    /// comes after the end of a session, such as restored variables, is not changed by one of its steps.
    func waitForEnd() async {
        let end = ContinuousClock.now + .seconds(2)
        // Asked again and again, because sessions end rarely, and calls, which would have to tell, do often.
        while isBusy, .now < end, (try? await Task.sleep(for: .milliseconds(2))) != nil {}
    }

    /// Forgets a graph. Steps that run it continue.
    /// - Throws: `aborted` when there is no graph with this handle.
    func deregister(_ handle: String) throws(Status) {
        guard state.withLock({ $0.graphs.remove(handle) }) != nil else {
            throw .aborted("Graph handle is not found: \(handle). Possibly, this worker just restarted.")
        }
    }

    /// Drops the resources and closes the connections that only this session has.
    func close() {
        if isIsolated { for place in devices.places { place.resources.clearAll() } }
        guard ownsPeers else { return }
        executors.close()
        peers.close()
    }
}
