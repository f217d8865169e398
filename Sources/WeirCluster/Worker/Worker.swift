import Synchronization
import WeirDevice
package import WeirGraph
package import WeirRuntime
package import WeirTensor
package import WeirWire

/// The worker of this process: runs its partitions of steps for masters, and sends tensors to other workers. TensorFlow's `Worker`.
package final class Worker: WorkerEndpoint {
    /// The name of this task in the server's cluster.
    package let task: DeviceName
    /// The devices under the names of the server's cluster, with the resources that sessions share.
    package let devices: LocalDevices
    private let registry: OpRegistry
    private let metrics: ServerMetrics
    /// Waits for running steps when the server stops.
    let gate = DrainGate()
    let steps: StepTable
    private let sessions: WorkerSessionTable
    let requests = RecentRequests(capacity: 100_000)
    private let keys: RendezvousKeyValidator
    private let cluster: ClusterSpec
    private let connect: WorkerPeers.Connect
    private let serverPeers = Mutex<WorkerPeers?>(nil)
    let collectives = WorkerCollectives()
    /// The task that leads the groups of sessions that name none; empty for the cluster's first worker.
    private let groupLeader: String

    /// Makes the worker of a task.
    /// - Parameters:
    ///   - groupLeader: the task that leads the groups of collective operations of sessions that name none.
    ///   - connect: makes the endpoint of another task.
    package init(
        cluster: ClusterSpec, task: DeviceName, devices: LocalDevices, registry: OpRegistry, metrics: ServerMetrics,
        groupLeader: String = "", connect: @escaping WorkerPeers.Connect
    ) {
        self.cluster = cluster
        self.task = task
        self.devices = devices
        self.registry = registry
        self.metrics = metrics
        self.groupLeader = groupLeader
        self.connect = connect
        steps = StepTable(gate: gate)
        sessions = WorkerSessionTable(task: task, devices: devices, steps: steps, collectives: collectives)
        keys = RendezvousKeyValidator(task: task, devices: devices)
    }

    /// The workers of the server's cluster.
    package var peers: WorkerPeers {
        // Made on first use, because it refers to this worker.
        serverPeers.withLock { peers in
            if let peers { return peers }
            let made = WorkerPeers(cluster: cluster, task: task, local: self, connect: connect)
            peers = made
            return made
        }
    }

    /// The devices of this task.
    package func status() async throws -> [DeviceAttributes] { attributes }
    /// As `status`.
    package var attributes: [DeviceAttributes] {
        devices.places.map { place in
            DeviceAttributes(
                name: place.device.name, type: place.device.type, memoryLimit: place.device.memoryLimit,
                incarnation: place.device.incarnation, hardware: place.device.isHost ? "" : place.device.hardware)
        }
    }

    /// Makes a session. Does nothing if there is one with this handle. Closes the sessions that the same master had before it
    /// restarted, and waits until their steps have ended.
    package func createSession(_ request: CreateWorkerSession) async throws {
        for closed in try sessions.create(request, peers: peers) { await closed.waitForEnd() }
    }

    /// Closes a session, and waits until its steps have ended. Does nothing if there is none with this handle.
    package func deleteSession(_ handle: String) async throws { await sessions.delete(handle)?.waitForEnd() }

    /// The number of sessions, for tests.
    var sessionCount: Int { sessions.count }
    /// The session of a handle, for tests.
    func openSession(_ handle: String) -> WorkerSession? { sessions.peek(handle) }

    /// Makes a graph ready to run in a session.
    /// - Returns: the graph's handle.
    /// - Throws: `aborted` when there is no such session; `invalidArgument` when the graph is malformed.
    package func registerGraph(_ request: RegisterGraph) async throws -> String {
        let session = try sessions.session(request.session, isNamed: request.hasSession, peers: peers)
        var request = request
        if request.configuration.collectiveGroupLeader.isEmpty { request.configuration.collectiveGroupLeader = groupLeader }
        let complete = request
        // Not on this thread, which handles messages: a graph may be large, and constant folding runs kernels.
        return try await devices.client.pool.result { [registry] in try session.register(complete, registry: registry) }
    }

    /// Forgets a graph. Steps that run it continue.
    /// - Throws: `aborted` when there is no such session or graph.
    package func deregisterGraph(_ handle: String, session: String) async throws {
        try sessions.session(session, isNamed: !session.isEmpty, peers: peers).deregister(handle)
    }

    /// True: steps of this process's master wait for it without a limit.
    package var isLocal: Bool { true }

    /// Checks that a call of another task may begin. A stopping server continues its steps but begins no new ones.
    /// - Throws: `unavailable` for a new step of a stopping server.
    package func admit(_ request: RunGraph) throws(Status) {
        guard steps.admits(request.step) else { throw .unavailable("Task \(task) is shutting down and begins no steps") }
    }

    /// Runs this task's partition of a step, on a thread of the compute pool.
    package func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        // Kernels may block their thread. Swift has few threads of its own, and they handle messages.
        guard ComputePool.isOnPoolThread else {
            return devices.client.pool.submit { [self] in runGraph(request, cancellation: cancellation, done) }
        }
        let run: PartitionRun
        do {
            try requests.record(request.requestID, method: "RunGraph (Worker)")
            let session = try sessions.session(request.session, isNamed: request.hasSession, peers: peers)
            let graph = try session.graph(request.graph)
            // Checked before the step is registered, because a master that cancelled it may have cleaned it up already.
            guard !cancellation.isCancelled else { throw Status.cancelled("RunGraph was cancelled before it began").derived }
            run = PartitionRun(request, graph, in: session, steps: steps, metrics: metrics)
        } catch {
            return done(.failure(Status(error)))
        }
        run.start(cancellation: cancellation, done)
    }

    /// Returns a tensor that a step of this task sends, when it is sent, in host memory. It may be called before the step
    /// begins.
    package func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        do {
            try requests.record(request.requestID, method: "RecvTensor (Worker)")
            try keys.validate(request.key)
        } catch {
            return done(.failure(Status(error)))
        }
        let (step, isEarly) = steps.receive(request.step)
        let pending = PendingReceive(of: step, earlyIn: isEarly ? steps : nil, metrics: metrics.receives, done)
        let cancelled = Status.cancelled("RecvTensor was cancelled").derived
        guard let token = cancellation.register({ pending.finish(.failure(cancelled)) }) else { return pending.finish(.failure(cancelled)) }
        step.rendezvous.receive(request.key) { result in
            cancellation.deregister(token)
            switch result {
            case .success(let item) where !item.isOnHost:
                item.download { tensor in pending.finish(tensor.map { RendezvousItem($0, isDead: item.isDead) }) }
            default: pending.finish(result)
            }
        }
    }

    /// Forgets a step and its tensors. Pending receives fail with `aborted`.
    package func cleanUpGraph(step: Int) async throws { forget(step: step) }
    /// As `cleanUpGraph`.
    package func forget(step: Int) { steps.remove(step) }

    /// Drops the resources of these containers, or of the default one when none is named.
    package func cleanUpAll(containers: [String]) async throws {
        for place in devices.places { place.resources.clear(containers: containers) }
    }

    /// Does nothing: Weir keeps no log of RPCs.
    package func logging(enabled: Bool, fetching steps: [Int]) async throws {}
}
