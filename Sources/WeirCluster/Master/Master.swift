import Logging
import Synchronization
import WeirDevice
public import WeirGraph
import WeirRuntime
public import WeirTensor
public import WeirWire

/// The master of this process: takes clients' graphs, cuts them over the tasks of the cluster, and runs their steps.
public final class Master: MasterEndpoint {
    private let worker: Worker
    private let registry: OpRegistry
    private let logger: Logger
    /// A client that ends without a word leaves its session behind; those that nobody has used for longest make room for
    /// new ones ([decision 12](../../../docs/decisions/0012-bounded-server-state.md)).
    private let sessions: Mutex<LRUCache<String, OpenSession>>
    private struct OpenSession {
        let session: MasterSession
        /// The session's own view of the cluster, if it has one.
        let peers: WorkerPeers?

        func close(within time: Duration) async {
            await session.close(within: time)
            peers?.close()
        }
    }
    private let requests = RecentRequests(capacity: 10_000)
    /// Options of the server that hold where a client says nothing.
    private let defaults: SessionConfiguration

    /// - Parameters:
    ///   - maximumSessions: how many sessions are kept that nobody uses.
    ///   - maximumNodeCount: how many nodes their graphs have together.
    init(
        worker: Worker, registry: OpRegistry, defaults: SessionConfiguration = SessionConfiguration(), maximumSessions: Int = 1000,
        maximumNodeCount: Int = 20_000_000, logger: Logger
    ) {
        sessions = Mutex(LRUCache(capacity: maximumSessions, weight: maximumNodeCount))
        self.worker = worker
        self.registry = registry
        self.defaults = defaults
        self.logger = logger
    }

    private func session(_ handle: String, missing: Status.Code = .aborted) throws(Status) -> MasterSession {
        guard let found = sessions.withLock({ $0.use(handle) })?.session else {
            throw Status(missing, "Session \(handle) is not found. Possibly, this master has restarted.")
        }
        return found
    }

    /// For tests of what is left behind.
    var sessionCount: Int { sessions.withLock { $0.count } }

    public func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String {
        var configuration = request.configuration
        if configuration.operationTimeout == nil { configuration.operationTimeout = defaults.operationTimeout }
        if configuration.deviceFilters.isEmpty { configuration.deviceFilters = defaults.deviceFilters }
        guard !configuration.usesPerSessionThreads, !configuration.hasThreadPoolOptions else {
            throw Status.invalidArgument("Distributed session does not support session thread pool options.")
        }
        // Not on this thread, which is for messages: a graph may be large.
        let graph = try await ComputePool.shared.result { [registry] in try Graph(request.graph, registry: registry, allowingInternalNames: false) }
        let (peers, ownTask) = try view(configuration, target: request.target)
        var isOpen = false
        defer { if !isOpen, peers !== worker.peers { peers.close() } }
        let filters = try configuration.deviceFilters.map { try DeviceName($0) }
        let names = peers.cluster.tasks.map { DeviceName(job: $0.job, replica: 0, task: $0.task) }.filter { name in
            name == ownTask || filters.isEmpty || filters.contains { name.isCompatible(with: $0.taskName) }
        }
        let tasks = try await discover(names, peers, ownTask)
        let handle = hexadecimal(UInt64.random(in: 1 ... .max))
        let shared = configuration
        let session = try await ComputePool.shared.result { [registry, logger] in
            try MasterSession(
                handle: handle, configuration: shared, tasks: tasks, localTask: ownTask, graph: graph, registry: registry, logger: logger)
        }
        let incarnation = tasks.first { $0.name == ownTask }?.devices.first?.incarnation ?? 0
        // What has been made on some tasks, should another fail, goes with it.
        defer { if !isOpen { Task.detached { await session.close(within: MasterSession.closingTime) } } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask {
                    var create = CreateWorkerSession(session: handle, job: task.name.job ?? "", task: task.name.task ?? 0)
                    create.cluster = shared.cluster
                    create.isolatesState = shared.isolatesState
                    create.masterTask = ownTask.description
                    create.masterIncarnation = incarnation
                    try await task.worker.createSession(create)
                }
            }
            try await group.waitForAll()
        }
        isOpen = true
        let open = OpenSession(session: session, peers: peers === worker.peers ? nil : peers)
        let abandoned = sessions.withLock { $0.insert(handle, open, weight: max(1, graph.nodes.count)) { $0.session.isBusy } }
        close(abandoned: abandoned)
        return handle
    }

    /// The cluster as a session sees it, and this task's name in it.
    private func view(_ configuration: SessionConfiguration, target: String) throws -> (WorkerPeers, DeviceName) {
        guard let cluster = configuration.cluster else { return (worker.peers, worker.task) }
        var address = target
        if let scheme = address.firstRange(of: "://") { address = String(address[scheme.upperBound...]) }
        let matches = cluster.tasks.filter { $0.address == address }
        guard matches.count == 1, let own = matches.first else {
            throw Status.invalidArgument(
                "The cluster_def in the session's options must have the target '\(target)' as the address of exactly one task; found \(matches.count)")
        }
        let name = DeviceName(job: own.job, replica: 0, task: own.task)
        if name == worker.task {
            throw Status.invalidArgument(
                "The master's job and task, \(name), are those the server was started with; a session with its own cluster must use others")
        }
        return (worker.peers.viewed(as: cluster, task: name), name)
    }

    /// Asks every task for its devices; waits until all have answered.
    private func discover(_ names: [DeviceName], _ peers: WorkerPeers, _ ownTask: DeviceName) async throws -> [MasterSession.SessionTask] {
        let begin = ContinuousClock.now
        let found = try await withThrowingTaskGroup(of: MasterSession.SessionTask.self) { group in
            for name in names {
                let worker = try peers.worker(name)
                let address = peers.cluster.address(job: name.job ?? "", task: name.task ?? 0) ?? "its address"
                group.addTask {
                    let status: [DeviceAttributes]
                    do { status = try await worker.status() } catch  where Task.isCancelled {
                        let time = StepCoordinator.seconds(ContinuousClock.now - begin)
                        throw Status.unavailable("Task \(name) at \(address) has not answered for \(time)")
                    }
                    let devices = status.map { device in
                        // A session with its own view of the cluster knows the devices by the names it gives them.
                        var device = device
                        device.name = DeviceName(
                            job: name.job, replica: name.replica, task: name.task, type: device.name.type, index: device.name.index)
                        return device
                    }
                    return MasterSession.SessionTask(name: name, worker: worker, devices: devices)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return found.sorted { ($0.name == ownTask ? 0 : 1, $0.name.description) < ($1.name == ownTask ? 0 : 1, $1.name.description) }
    }

    public func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int {
        let extended = try await session(handle).extend(graph, version: version)
        let abandoned = sessions.withLock { $0.reweigh(handle, max(1, extended.nodeCount)) { $0.session.isBusy } }
        close(abandoned: abandoned)
        return extended.version
    }

    private func close(abandoned sessions: [OpenSession]) {
        for session in sessions {
            logger.debug("session \(session.session.handle) is closed: more are open than are kept, and it was used longest ago")
            Task.detached { await session.close(within: MasterSession.closingTime) }
        }
    }

    public func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        do {
            try requests.note(request.requestID, method: "RunStep")
            try session(request.session).runStep(request, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    public func setUpPartialRun(_ request: RunStep) async throws -> String {
        try requests.note(request.requestID, method: "PartialRunSetup")
        return try await session(request.session).setUpPartialRun(request)
    }

    public func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int {
        try requests.note(requestID, method: "MakeCallable")
        return try await session(handle).makeCallable(options)
    }

    public func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>
    ) {
        do {
            try requests.note(requestID, method: "RunCallable")
            try session(handle).runCallable(callable, feeds: feeds, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    public func releaseCallable(_ handle: String, callable: Int) async throws { try session(handle).releaseCallable(callable) }

    public func closeSession(_ handle: String) async throws {
        guard let session = sessions.withLock({ $0.remove(handle) }) else {
            throw Status.aborted("Session \(handle) is not found. Possibly, this master has restarted.")
        }
        await session.close(within: MasterSession.closingTime)
    }

    public func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        if !handle.isEmpty {
            let session = try session(handle, missing: .invalidArgument)
            return (session.deviceAttributes, [])
        }
        let names = worker.peers.cluster.tasks.map { DeviceName(job: $0.job, replica: 0, task: $0.task) }
        let tasks = try await discover(names, worker.peers, worker.task)
        return (tasks.filter { $0.name == worker.task }.flatMap(\.devices), tasks.filter { $0.name != worker.task }.flatMap(\.devices))
    }

    public func reset(containers: [String], deviceFilters: [String]) async throws {
        let filters = try deviceFilters.map { try DeviceName($0) }
        let closing = sessions.withLock { $0.removeAll() }
        let cleaned: Result<Void, any Error>
        do { cleaned = .success(try await cleanUp(containers, on: filters)) } catch { cleaned = .failure(error) }
        // Whatever became of the containers: nobody can ask for these sessions any more.
        await close(closing)
        try cleaned.get()
    }

    private func cleanUp(_ containers: [String], on filters: [DeviceName]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in worker.peers.cluster.tasks {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                guard name == worker.task || filters.isEmpty || filters.contains(where: { name.isCompatible(with: $0.taskName) }) else { continue }
                let worker = try worker.peers.worker(name)
                group.addTask { try await worker.cleanUpAll(containers: containers) }
            }
            try await group.waitForAll()
        }
    }

    /// Closes every session, when the server stops.
    func closeAll(within time: Duration) async { await close(sessions.withLock { $0.removeAll() }, within: time) }

    /// All at once: each may have to wait for a task that does not answer.
    private func close(_ sessions: [OpenSession], within time: Duration = MasterSession.closingTime) async {
        await withTaskGroup(of: Void.self) { group in
            for session in sessions { group.addTask { await session.close(within: time) } }
        }
    }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
