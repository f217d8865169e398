import Logging
import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// One client's graph on a cluster: where its nodes are, and the steps that have been compiled for it.
final class MasterSession: Sendable {
    let handle: String
    let configuration: SessionConfiguration
    private let tasks: [SessionTask]
    private let devices: [DeviceAttributes]
    private let localTask: DeviceName
    private let registry: OpRegistry
    private let logger: Logger
    private let planner: StepPlanner
    private struct State {
        var graph: Graph
        var placed: Graph
        var version = 0
        var isClosed = false
        var running: [Int: Cancellation] = [:]
        // A client that forgets to release them loses those that it has not used for longest.
        var callables = LRUCache<Int, CallableOptions>(capacity: 10_000)
        var nextCallable = 0
        var partialRuns = PartialRuns()
    }
    /// Steps that run: a session that has some, or some that wait for their graph, is not idle.
    private let activity = Atomic<Int>(0)
    var isBusy: Bool { activity.load(ordering: .relaxed) > 0 || planner.isBusy }
    /// A task that takes part in the session.
    struct SessionTask: Sendable {
        let name: DeviceName
        let worker: any WorkerEndpoint
        let devices: [DeviceAttributes]
    }
    private let state: Mutex<State>

    /// - Throws: `invalidArgument` when the graph is malformed or cannot be placed.
    init(
        handle: String, configuration: SessionConfiguration, tasks: [SessionTask], localTask: DeviceName, graph: Graph,
        registry: OpRegistry, logger: Logger
    ) throws {
        self.handle = handle
        self.configuration = configuration
        self.tasks = tasks
        self.localTask = localTask
        self.registry = registry
        self.logger = logger
        devices = tasks.flatMap(\.devices)
        let placer = try MasterSession.placer(tasks, localTask, configuration)
        guard let client = placer.devices.first(where: { $0.isLocal && $0.type == "CPU" }) else {
            throw Status.internalError("Task \(localTask) has no CPU device for clients' tensors")
        }
        planner = StepPlanner(
            session: handle, configuration: configuration, tasks: tasks, localTask: localTask, clientDevice: client, registry: registry)
        let placed = try placer.place(Lowering(registry: registry).run(graph))
        state = Mutex(State(graph: graph, placed: placed))
        logPlacement(placed)
    }

    private func logPlacement(_ placed: Graph) {
        if configuration.logsPlacement, !placed.nodes.isEmpty { logger.info("\(PlacementReport(placed))") }
    }

    private static func placer(_ tasks: [SessionTask], _ localTask: DeviceName, _ configuration: SessionConfiguration) throws -> Placer {
        let filters = try configuration.deviceFilters.map { try DeviceName($0) }
        let devices = tasks.flatMap { task in
            task.devices.map { PlacementDevice(name: $0.name, incarnation: $0.incarnation, isLocal: task.name == localTask) }
        }
        let usable = devices.filter { device in
            device.isLocal || filters.isEmpty || filters.contains { device.name.isCompatible(with: $0) }
        }
        return Placer(devices: usable, allowsSoftPlacement: configuration.allowsSoftPlacement)
    }

    var deviceAttributes: [DeviceAttributes] {
        devices.filter { $0.name.isSameTask(as: localTask) } + devices.filter { !$0.name.isSameTask(as: localTask) }
    }

    // MARK: The graph

    /// - Returns: the new version, and how many nodes the graph has.
    func extend(_ definition: GraphDefinition, version: Int) async throws -> (version: Int, nodeCount: Int) {
        let before = try state.withLock { state throws(Status) in
            try MasterSession.check(version, state)
            return state
        }
        // Neither under the lock, which steps take when they end, nor on this thread, which is for messages.
        let (graph, placed) = try await ComputePool.shared.result { [self] in
            var graph = before.graph
            try graph.extend(with: definition, registry: registry, allowingInternalNames: false)
            var unplaced = try Lowering(registry: registry).run(graph)
            unplaced.keepDevices(of: before.placed)
            return (graph, try MasterSession.placer(tasks, localTask, configuration).place(unplaced))
        }
        let newVersion = try state.withLock { state throws(Status) in
            // Another may have been faster.
            try MasterSession.check(version, state)
            state.placed = placed
            state.graph = graph
            state.version += 1
            return state.version
        }
        logPlacement(placed)
        return (newVersion, graph.nodes.count)
    }

    private static func check(_ version: Int, _ state: State) throws(Status) {
        try checkOpen(state)
        guard version == state.version else {
            throw .aborted("Current version is \(state.version) but caller expected \(version).")
        }
    }

    private static func checkOpen(_ state: State) throws(Status) {
        if state.isClosed { throw .failedPrecondition("Session is closed.") }
    }

    // MARK: Steps

    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let request = request.withoutRepeats
        if !request.partialRunHandle.isEmpty { return runPart(request, cancellation: cancellation, done) }
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets)
        let timeout = request.options.timeout ?? configuration.operationTimeout
        if let plan = planner.ready(key) { return run(plan, request, cancellation, timeout: timeout, done) }
        let start = ContinuousClock.now
        Task { [self] in
            do throws(Status) {
                let plan = try await plan(key, within: timeout, until: cancellation)
                // Not on this thread, which is for messages: the part of this process begins where it is called.
                let left = timeout.map { $0 - (.now - start) }
                ComputePool.shared.submit { [self] in run(plan, request, cancellation, timeout: left, done) }
            } catch {
                done(.failure(error))
            }
        }
    }

    private func plan(_ key: StepPlan.Key, within timeout: Duration?, until cancellation: Cancellation = Cancellation()) async throws(Status) -> StepPlan {
        try state.withLock { state throws(Status) in try MasterSession.checkOpen(state) }
        let step = FeedsAndFetches(feeds: key.feeds, fetches: key.fetches, targets: key.targets)
        return try await planner.plan(key, step, of: { [self] in state.withLock { $0.placed } }, within: timeout, until: cancellation)
    }

    private func run(
        _ plan: StepPlan, _ request: RunStep, _ outer: Cancellation, timeout: Duration?, _ done: @escaping Completion<RunStepReply>
    ) {
        let step = MasterSession.newStep()
        var call = RunGraph(session: handle, graph: "", step: step)
        call.recordsTimes = request.options.traces
        call.recordsPartitionGraphs = request.options.returnsPartitionGraphs
        do {
            call.sends = try sends(plan, request.feeds)
        } catch {
            return done(.failure(Status(error)))
        }
        call.receives = request.fetches.compactMap { plan.fetchKeys[$0] }
        let wantsMetadata = call.recordsTimes || call.recordsPartitionGraphs
        start(step, plan, call, outer, timeout: timeout) { result in
            done(
                result.flatMap { replies in
                    Result { () throws(Status) -> RunStepReply in
                        var reply = RunStepReply(tensors: try MasterSession.pick(request.fetches, plan, replies))
                        if wantsMetadata {
                            reply.metadata = RunMetadata(times: replies.flatMap(\.times), partitionGraphs: replies.flatMap(\.partitionGraphs))
                        }
                        return reply
                    }
                })
        }
    }

    /// Only 57 bits of a step id may be set.
    private static func newStep() -> Int { Int.random(in: 1..<(1 << 56)) }

    private func sends(_ plan: StepPlan, _ feeds: [NamedTensor]) throws(Status) -> [NamedTensor] {
        var sends: [NamedTensor] = []
        for feed in feeds {
            guard let key = plan.feedKeys[feed.name], let type = plan.feedTypes[feed.name] else { continue }
            guard feed.tensor.dtype == type else {
                throw .invalidArgument("Feed '\(feed.name)' must be of type \(type), found \(feed.tensor.dtype)")
            }
            sends.append(NamedTensor(key, feed.tensor))
        }
        return sends
    }

    private static func pick(_ fetches: [String], _ plan: StepPlan, _ replies: [RunGraphReply]) throws(Status) -> [NamedTensor] {
        var byKey: [String: Tensor] = [:]
        for named in replies.lazy.flatMap(\.received) { byKey[named.name] = named.tensor }
        var tensors: [NamedTensor] = []
        for fetch in fetches {
            guard let key = plan.fetchKeys[fetch], let tensor = byKey[key] else {
                throw .internalError("No value was returned for '\(fetch)'")
            }
            tensors.append(NamedTensor(fetch, tensor))
        }
        return tensors
    }

    /// Runs a step's parts, with a deadline and an entry among what runs, and cleans up after it.
    /// - Parameter partialRun: the handle of the run of which this is a part, which ends with it only if it fails.
    private func start(
        _ step: Int, _ plan: StepPlan, _ call: RunGraph, _ outer: Cancellation, timeout: Duration?, partialRun: String? = nil,
        _ done: @escaping Completion<[RunGraphReply]>
    ) {
        let cancellation = Cancellation()
        // Several parts of one step may run at once.
        let number = MasterSession.newStep()
        let isOpen = state.withLock { state -> Bool in
            if state.isClosed { return false }
            state.running[number] = cancellation
            activity.wrappingAdd(1, ordering: .relaxed)
            return true
        }
        guard isOpen else { return done(.failure(.failedPrecondition("Session is closed."))) }
        let outerToken = outer.register { cancellation.cancel() }
        guard let outerToken else {
            state.withLock { _ = $0.running.removeValue(forKey: number) }
            activity.wrappingSubtract(1, ordering: .relaxed)
            if let partialRun {
                state.withLock { $0.partialRuns.end(partialRun) }
                cleanUp(step, plan)
            }
            return done(.failure(.cancelled("RunStep was cancelled")))
        }
        let deadline = timeout.map { StepDeadline($0) }
        let coordinator = StepCoordinator(plan, cancellation: cancellation) { [self] result in
            activity.wrappingSubtract(1, ordering: .relaxed)
            outer.deregister(outerToken)
            let isClosed = state.withLock { state -> Bool in
                state.running[number] = nil
                return state.isClosed
            }
            var result = result
            var isOver = partialRun == nil || call.isLastPartial
            if case .failure(let status) = result {
                isOver = true
                if deadline?.hasFired == true {
                    result = .failure(
                        .deadlineExceeded(
                            "Deadline Exceeded: step \(step) did not end within \(StepCoordinator.seconds(timeout ?? .zero)). \(status.message)"))
                } else if isClosed, status.code == .cancelled || status.code == .aborted {
                    result = .failure(.cancelled("Step was cancelled by an explicit call to `Session::Close()`."))
                }
            }
            deadline?.stop()
            if isOver {
                if let partialRun { state.withLock { $0.partialRuns.end(partialRun) } }
                cleanUp(step, plan)
            }
            done(result)
        }
        deadline?.start(coordinator)
        coordinator.run(call)
    }

    /// Tells every task to forget the step; nobody waits for it.
    private func cleanUp(_ step: Int, _ plan: StepPlan) {
        for part in plan.parts {
            if let own = part.worker as? Worker {
                own.forget(step: step)
            } else if (part.worker as? LinkWorker)?.forget(step: step) != true {
                Task { try? await part.worker.cleanUpGraph(step: step) }
            }
        }
    }

    // MARK: Partial runs

    func setUpPartialRun(_ request: RunStep) async throws(Status) -> String {
        let request = request.withoutRepeats
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets, isPartial: true)
        let plan = try await plan(key, within: request.options.timeout ?? configuration.operationTimeout)
        let (handle, gone) = state.withLock {
            $0.partialRuns.begin(plan, step: MasterSession.newStep(), feeds: request.feedNames, fetches: request.fetches)
        }
        for run in gone { cleanUp(run.step, run.plan) }
        return handle
    }

    private func runPart(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let handle = request.partialRunHandle
        do throws(Status) {
            let (run, isLast, values) = try state.withLock { state throws(Status) in
                try MasterSession.checkOpen(state)
                // What cannot be fed counts as not having been.
                let values = try state.partialRuns.plan(handle).map { plan throws(Status) in try sends(plan, request.feeds) }
                let (run, isLast) = try state.partialRuns.advance(request)
                return (run, isLast, values ?? [])
            }
            var call = RunGraph(session: self.handle, graph: "", step: run.step)
            call.isPartial = true
            call.isLastPartial = isLast
            call.sends = values
            call.receives = request.fetches.compactMap { run.plan.fetchKeys[$0] }
            let timeout = request.options.timeout ?? configuration.operationTimeout
            start(run.step, run.plan, call, cancellation, timeout: timeout, partialRun: handle) { result in
                done(
                    result.flatMap { replies in
                        Result { () throws(Status) -> RunStepReply in
                            RunStepReply(tensors: try MasterSession.pick(request.fetches, run.plan, replies))
                        }
                    })
            }
        } catch {
            done(.failure(error))
        }
    }

    // MARK: Callables

    func makeCallable(_ options: CallableOptions) async throws(Status) -> Int {
        guard !options.hasFeedOrFetchDevices else {
            throw .unimplemented("feed_devices and fetch_devices are not supported in distributed sessions")
        }
        guard options.connections.isEmpty else {
            throw .unimplemented("tensor_connection is not supported in distributed sessions")
        }
        _ = try await plan(
            StepPlan.Key(feeds: options.feeds, fetches: options.fetches, targets: options.targets),
            within: options.options.timeout ?? configuration.operationTimeout)
        return state.withLock { state in
            defer { state.nextCallable += 1 }
            _ = state.callables.insert(state.nextCallable, options)
            return state.nextCallable
        }
    }

    func runCallable(_ callable: Int, feeds: [Tensor], cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let (options, wasReleased) = state.withLock { ($0.callables.use(callable), (0..<$0.nextCallable).contains(callable)) }
        guard let options else {
            return done(
                .failure(
                    .invalidArgument(
                        wasReleased ? "Attempted to run callable after handle was released: \(callable)" : "No such callable handle: \(callable)")))
        }
        guard feeds.count == options.feeds.count else {
            return done(.failure(.invalidArgument("Expected \(options.feeds.count) feed tensors, but got \(feeds.count)")))
        }
        var request = RunStep(
            session: handle, feeds: zip(options.feeds, feeds).map { NamedTensor($0, $1) }, fetches: options.fetches, targets: options.targets)
        request.options = options.options
        runStep(request, cancellation: cancellation, done)
    }

    func releaseCallable(_ callable: Int) {
        state.withLock { _ = $0.callables.remove(callable) }
    }

    // MARK: The end

    /// How long tasks have to free what a session has on them. One that is gone has nothing to free; nobody waits long for it.
    static let closingTime = Duration.seconds(10)

    /// Cancels what runs and frees what the session has on its tasks.
    func close(within time: Duration = MasterSession.closingTime) async {
        let (running, partialRuns) = state.withLock { state -> ([Cancellation], [PartialRun]) in
            state.isClosed = true
            return (Array(state.running.values), state.partialRuns.endAll())
        }
        for cancellation in running { cancellation.cancel() }
        for run in partialRuns { cleanUp(run.step, run.plan) }
        await withTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask { [handle] in
                    await withDeadline(time) { try? await task.worker.deleteSession(handle) }
                }
            }
        }
    }
}

extension RunStep {
    /// What is asked for more than once is given once, as TensorFlow does.
    fileprivate var withoutRepeats: RunStep {
        // Nearly always all of them are different, and nothing is copied.
        guard fetches.count > 1, Set(fetches).count < fetches.count else { return self }
        var (step, known) = (self, Set<String>())
        step.fetches = fetches.filter { known.insert($0).inserted }
        return step
    }
}
