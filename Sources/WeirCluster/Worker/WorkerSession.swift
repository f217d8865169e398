import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// One master session's state on this worker: its view of devices and cluster, its kernels and graphs.
final class WorkerSession: Sendable {
    let handle: String
    let devices: LocalDevices
    let peers: WorkerPeers
    let kernels = KernelStore()
    let masterTask: String
    let masterIncarnation: UInt64
    /// Whether its resources are its own and go with it.
    let isIsolated: Bool

    private struct State {
        /// Weir's masters have graphs forgotten that they do not need; TensorFlow's never do. One that runs is kept alive
        /// by its step.
        var graphs = LRUCache<String, LocalGraph>(capacity: 10_000, weight: WorkerSession.maximumNodeCount)
        var counter: UInt64 = 0
    }
    /// Of all graphs of a session together: some gigabytes.
    private static let maximumNodeCount = 4_000_000
    /// Parts of steps that run now.
    private let runs = Atomic<Int>(0)
    private let state = Mutex(State())

    init(
        handle: String, devices: LocalDevices, peers: WorkerPeers, masterTask: String = "", masterIncarnation: UInt64 = 0,
        isIsolated: Bool = false
    ) {
        self.handle = handle
        self.devices = devices
        self.peers = peers
        self.masterTask = masterTask
        self.masterIncarnation = masterIncarnation
        self.isIsolated = isIsolated
    }

    /// - Returns: a handle, unique in the session.
    func add(_ graph: LocalGraph, nodeCount: Int) -> String {
        let (handle, gone) = state.withLock { state in
            state.counter += 1
            let digits = String(state.counter, radix: 16)
            let handle = String(repeating: "0", count: 16 - digits.count) + digits
            return (handle, state.graphs.insert(handle, graph, weight: nodeCount))
        }
        // Their kernels end outside the lock.
        withExtendedLifetime(gone) {}
        return handle
    }
    func graph(_ handle: String) throws(Status) -> LocalGraph {
        guard let found = state.withLock({ $0.graphs.use(handle) }) else {
            throw .aborted("Graph handle is not found: \(handle)")
        }
        return found
    }
    var graphCount: Int { state.withLock { $0.graphs.count } }

    var isBusy: Bool { runs.load(ordering: .relaxed) > 0 }
    func begin() { runs.wrappingAdd(1, ordering: .relaxed) }
    func end() { runs.wrappingSubtract(1, ordering: .relaxed) }

    func remove(_ handle: String) throws(Status) {
        guard state.withLock({ $0.graphs.remove(handle) }) != nil else {
            throw .aborted("Graph handle is not found: \(handle). Possibly, this worker just restarted.")
        }
    }

    /// Drops what only this session had.
    func close() { if isIsolated { for place in devices.places { place.resources.clearAll() } } }
}
