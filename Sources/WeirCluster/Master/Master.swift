import Logging
import WeirDevice
package import WeirGraph
import WeirRuntime
package import WeirTensor
package import WeirWire

/// The master of this process: keeps clients' sessions and runs their steps on the tasks of the cluster. TensorFlow's `Master`.
package final class Master: MasterEndpoint {
    private let worker: Worker
    private let registry: OpRegistry
    private let logger: Logger
    private let metrics: ServerMetrics
    private let sessions: MasterSessionTable
    private let requests = RecentRequests(capacity: 10_000)
    /// The options of sessions whose clients give none.
    private let defaults: SessionConfiguration

    /// - Parameters:
    ///   - maximumSessions: the maximum number of sessions without a running step.
    ///   - maximumNodeCount: the maximum number of nodes of all sessions together.
    init(
        worker: Worker, registry: OpRegistry, defaults: SessionConfiguration = SessionConfiguration(), maximumSessions: Int = 1000,
        maximumNodeCount: Int = 20_000_000, logger: Logger, metrics: ServerMetrics
    ) {
        sessions = MasterSessionTable(capacity: maximumSessions, nodeCount: maximumNodeCount, logger: logger, openCount: metrics.sessions)
        self.worker = worker
        self.registry = registry
        self.defaults = defaults
        self.logger = logger
        self.metrics = metrics
    }

    /// The number of open sessions, for tests.
    var sessionCount: Int { sessions.count }

    /// Opens a session on all tasks that its device filters allow.
    /// - Throws: `invalidArgument` when the graph or the options are wrong; `unavailable` when the call is cancelled while a task does
    ///   not respond; `deadlineExceeded` when the request's timeout passes.
    package func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String {
        let configuration = try completed(request.configuration)
        // Not on this thread, which handles messages: a graph may be large.
        let graph = try await ComputePool.shared.result { [registry] in try Graph(request.graph, registry: registry, allowingInternalNames: false) }
        let view = try ClusterView(of: worker, for: configuration, target: request.target)
        var isOpen = false
        defer { if !isOpen { view.close() } }
        let filters = try configuration.deviceFilters.map { try DeviceName($0) }
        let tasks = try await view.discover(view.tasks(matching: filters), within: request.timeout)
        let handle = hexadecimal(UInt64.random(in: 1 ... .max))
        let session = try await ComputePool.shared.result { [worker, registry, logger, metrics] in
            try MasterSession(
                handle: handle, configuration: configuration, tasks: tasks, localTask: view.localTask, graph: graph,
                stepIDs: AgreedStepIDs(sequences: worker.collectives.sequences, peers: view.peers, leader: configuration.collectiveGroupLeader),
                registry: registry, logger: logger, metrics: metrics)
        }
        // When one task fails, the sessions of the other tasks are deleted.
        defer { if !isOpen { Task.detached { await session.close(within: MasterSession.closingTime) } } }
        try await createWorkerSessions(handle, on: tasks, configuration, localTask: view.localTask)
        isOpen = true
        sessions.insert(OpenSession(session: session, view: view), nodeCount: graph.nodes.count)
        return handle
    }

    /// The options of a client, with the server's defaults for those that are not given. As in protobuf, false is not given.
    private func completed(_ options: SessionConfiguration) throws(Status) -> SessionConfiguration {
        guard !options.usesPerSessionThreads, !options.hasThreadPoolOptions else {
            throw .invalidArgument("Distributed session does not support session thread pool options.")
        }
        var options = options
        options.allowsSoftPlacement = options.allowsSoftPlacement || defaults.allowsSoftPlacement
        options.logsPlacement = options.logsPlacement || defaults.logsPlacement
        options.isolatesState = options.isolatesState || defaults.isolatesState
        if options.operationTimeout == nil { options.operationTimeout = defaults.operationTimeout }
        if options.deviceFilters.isEmpty { options.deviceFilters = defaults.deviceFilters }
        if options.collectiveGroupLeader.isEmpty { options.collectiveGroupLeader = defaults.collectiveGroupLeader }
        return options
    }

    private func createWorkerSessions(
        _ handle: String, on tasks: [SessionTask], _ configuration: SessionConfiguration, localTask: DeviceName
    ) async throws {
        let incarnation = tasks.first { $0.name == localTask }?.devices.first?.incarnation ?? 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask {
                    var create = CreateWorkerSession(session: handle, job: task.name.job ?? "", task: task.name.task ?? 0)
                    create.cluster = configuration.cluster
                    create.isolatesState = configuration.isolatesState
                    create.masterTask = localTask.description
                    create.masterIncarnation = incarnation
                    try await task.worker.createSession(create)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Adds nodes and functions to the graph of a session.
    /// - Returns: the graph's new version.
    /// - Throws: `aborted` when there is no such session or the graph has another version.
    package func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int {
        let extended = try await sessions.session(handle).extend(graph, version: version)
        sessions.resize(handle, nodeCount: extended.nodeCount)
        return extended.version
    }

    /// Returns the placement of a session's graph.
    /// - Throws: `aborted` when there is no such session.
    func placement(of handle: String) throws -> PlacementReport { try sessions.session(handle).placement }

    /// Runs a step, or one call of a partial run.
    package func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        do {
            try requests.record(request.requestID, method: "RunStep")
            try sessions.session(request.session).runStep(request, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    /// Sets a partial run up.
    /// - Returns: the handle for the calls of the run.
    package func setUpPartialRun(_ request: RunStep) async throws -> String {
        try requests.record(request.requestID, method: "PartialRunSetup")
        return try await sessions.session(request.session).setUpPartialRun(request)
    }

    /// Compiles a step that is run by its handle.
    /// - Returns: the callable's handle.
    package func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int {
        try requests.record(requestID, method: "MakeCallable")
        return try await sessions.session(handle).makeCallable(options)
    }

    /// Runs the step of a callable.
    package func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>
    ) {
        do {
            try requests.record(requestID, method: "RunCallable")
            try sessions.session(handle).runCallable(callable, feeds: feeds, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    /// Frees a callable. Does nothing if there is none with this handle.
    package func releaseCallable(_ handle: String, callable: Int) async throws { try sessions.session(handle).releaseCallable(callable) }

    /// Cancels the running steps of a session and frees what it has on its tasks.
    /// - Throws: `aborted` when there is no such session.
    package func closeSession(_ handle: String) async throws {
        try await sessions.remove(handle).close()
    }

    /// Returns the devices of a session, or of the server's cluster when the handle is empty.
    package func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        if !handle.isEmpty {
            let session = try sessions.session(handle, missing: .invalidArgument)
            return (session.deviceAttributes, [])
        }
        let view = ClusterView(of: worker)
        let tasks = try await view.discover(view.tasks())
        return (tasks.filter { $0.name == worker.task }.flatMap(\.devices), tasks.filter { $0.name != worker.task }.flatMap(\.devices))
    }

    /// Closes all sessions and drops the resources of these containers on all tasks that the filters allow.
    package func reset(containers: [String], deviceFilters: [String]) async throws {
        let filters = try deviceFilters.map { try DeviceName($0) }
        let closing = sessions.removeAll()
        let cleaned: Result<Void, any Error>
        do { cleaned = .success(try await cleanUp(containers, on: filters)) } catch { cleaned = .failure(error) }
        // Even if a task has failed: clients have no handles of these sessions any more.
        await OpenSession.close(closing)
        try cleaned.get()
    }

    private func cleanUp(_ containers: [String], on filters: [DeviceName]) async throws {
        let view = ClusterView(of: worker)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in view.tasks(matching: filters) {
                let worker = try view.peers.worker(name)
                group.addTask { try await worker.cleanUpAll(containers: containers) }
            }
            try await group.waitForAll()
        }
    }

    /// Closes every session, when the server stops.
    func closeAll(within time: Duration) async { await OpenSession.close(sessions.removeAll(), within: time) }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
