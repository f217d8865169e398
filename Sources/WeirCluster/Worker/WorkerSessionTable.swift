import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The sessions of masters on this worker. TensorFlow's `SessionMgr`.
///
/// A master that is gone leaves its sessions behind. They are closed when the master returns with another incarnation, or when
/// the table is full and they were used least recently.
final class WorkerSessionTable: Sendable {
    private let task: DeviceName
    private let devices: LocalDevices
    private let steps: StepTable
    private let collectives: WorkerCollectives
    /// The executors of the sessions that know the server's cluster; made when the first one is.
    private let serverExecutors = Mutex<CollectiveExecutors?>(nil)
    private let sessions = Mutex(LRUCache<String, WorkerSession>(capacity: 10_000))

    init(task: DeviceName, devices: LocalDevices, steps: StepTable, collectives: WorkerCollectives = WorkerCollectives()) {
        self.task = task
        self.devices = devices
        self.steps = steps
        self.collectives = collectives
    }

    var count: Int { sessions.withLock { $0.count } }
    /// The session of a handle. Does not count as a use.
    func peek(_ handle: String) -> WorkerSession? { sessions.withLock { $0.peek(handle) } }

    /// Makes a session. Does nothing if there is one with this handle.
    /// - Parameter peers: the tasks of the server's cluster.
    /// - Returns: the sessions that were closed for it.
    /// - Throws: `invalidArgument` when the handle is empty.
    @discardableResult
    func create(_ request: CreateWorkerSession, peers: WorkerPeers) throws(Status) -> [WorkerSession] {
        guard !request.session.isEmpty else { throw .invalidArgument("Session handle is empty; expected one from the master") }
        let session = session(for: request, peers)
        let (evicted, isNew) = sessions.withLock { sessions -> ([WorkerSession], Bool) in
            // A master with a new incarnation has restarted and has no handles of its older sessions.
            var evicted = request.masterTask.isEmpty ? [] : sessions.values.filter { session.isSuccessor(of: $0) }
            for old in evicted { sessions.remove(old.handle) }
            guard sessions.use(request.session) == nil else { return (evicted, false) }
            evicted += sessions.insert(request.session, session) { $0.isBusy }
            return (evicted, true)
        }
        if !isNew { session.close() }
        for old in evicted { close(old) }
        return evicted
    }

    private func executors(_ peers: WorkerPeers) -> CollectiveExecutors {
        serverExecutors.withLock { executors in
            if let executors { return executors }
            let made = CollectiveExecutors(collectives, peers: peers, devices: devices)
            executors = made
            return made
        }
    }

    private func session(for request: CreateWorkerSession, _ peers: WorkerPeers) -> WorkerSession {
        guard let cluster = request.cluster else {
            return WorkerSession(
                handle: request.session, devices: request.isolatesState ? devices.isolated() : devices, peers: peers,
                executors: executors(peers), masterTask: request.masterTask, masterIncarnation: request.masterIncarnation,
                isIsolated: request.isolatesState)
        }
        // A session with its own cluster knows this task, and so its devices, by another name.
        let name = DeviceName(job: request.job, replica: 0, task: request.task)
        let (own, view) = (devices.isolated(as: name == task ? nil : name), peers.viewed(as: cluster, task: name))
        return WorkerSession(
            handle: request.session, devices: own, peers: view, executors: CollectiveExecutors(collectives, peers: view, devices: own),
            masterTask: request.masterTask, masterIncarnation: request.masterIncarnation, isIsolated: true, ownsPeers: true)
    }

    /// Returns the session of a handle.
    /// - Parameters:
    ///   - isNamed: false for masters of TensorFlow 1, which make no sessions. They share one.
    ///   - peers: the tasks of the server's cluster, for the shared session.
    /// - Throws: `aborted` when there is no such session.
    func session(_ handle: String, isNamed: Bool, peers: @autoclosure () -> WorkerPeers) throws(Status) -> WorkerSession {
        let key = isNamed ? handle : ""
        if let known = sessions.withLock({ $0.use(key) }) { return known }
        guard !isNamed else {
            throw .aborted("Session handle is not found: \(handle). Possibly this worker (\"\(task)\") just restarted.")
        }
        let peers = peers()
        let shared = WorkerSession(handle: "", devices: devices, peers: peers, executors: executors(peers))
        let (session, evicted) = sessions.withLock { sessions -> (WorkerSession, [WorkerSession]) in
            if let known = sessions.use(key) { return (known, []) }
            return (shared, sessions.insert(key, shared) { $0.isBusy })
        }
        for old in evicted { close(old) }
        return session
    }

    /// Closes a session.
    /// - Returns: the session; nil if there is none with this handle.
    @discardableResult
    func delete(_ handle: String) -> WorkerSession? {
        guard let session = sessions.withLock({ $0.remove(handle) }) else { return nil }
        close(session)
        return session
    }

    private func close(_ session: WorkerSession) {
        session.close()
        steps.removeAll(of: session.handle)
    }
}
