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
    private let clientDevice: PlacementDevice
    private let devices: [DeviceAttributes]
    private let localTask: DeviceName
    private let registry: OpRegistry
    private let logger: Logger
    private let plans = PlanCache()
    /// Numbers the nodes that cuts add.
    private let cutNumber = Atomic<Int>(0)
    private struct State {
        var graph: Graph
        var placed: Graph
        var version = 0
        var isClosed = false
        var running: [Int: Cancellation] = [:]
        // A client that forgets to release or finish them loses those that it has not used for longest.
        var callables = RecentTable<Int, CallableOptions>(capacity: 10_000)
        var nextCallable = 0
        var partialRuns = RecentTable<String, PartialRun>(capacity: 1000)
        var nextPartialRun = 0
    }
    /// Steps that run, or wait for their graph to be prepared: a session that has some is not idle.
    private let activity = Atomic<Int>(0)
    var isBusy: Bool { activity.load(ordering: .relaxed) > 0 }
    /// The tasks that prepare a step's graph now, since when.
    private let preparing = Mutex<[DeviceName: ContinuousClock.Instant]>([:])
    /// A task that takes part in the session.
    struct SessionTask: Sendable {
        let name: DeviceName
        let worker: any WorkerEndpoint
        let devices: [DeviceAttributes]
    }
    private struct PartialRun {
        var plan: StepPlan
        var step: Int
        var feedsLeft: Set<String>
        var fetchesLeft: Set<String>
        var fed: Set<String> = []
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
        clientDevice = client
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

    /// - Returns: the new version.
    func extend(_ definition: GraphDefinition, version: Int) throws -> Int {
        let (newVersion, placed) = try state.withLock { (state: inout State) throws -> (Int, Graph) in
            try MasterSession.checkOpen(state)
            guard version == state.version else {
                throw Status.aborted("Current version is \(state.version) but caller expected \(version).")
            }
            var graph = state.graph
            try graph.extend(with: definition, registry: registry, allowingInternalNames: false)
            var unplaced = try Lowering(registry: registry).run(graph)
            unplaced.keepDevices(of: state.placed)
            state.placed = try MasterSession.placer(tasks, localTask, configuration).place(unplaced)
            state.graph = graph
            state.version += 1
            return (state.version, state.placed)
        }
        logPlacement(placed)
        return newVersion
    }

    private static func checkOpen(_ state: State) throws(Status) {
        if state.isClosed { throw .failedPrecondition("Session is closed.") }
    }

    // MARK: Plans

    private func plan(
        _ key: StepPlan.Key, _ step: FeedsAndFetches, until cancellation: Cancellation = Cancellation()
    ) async throws -> StepPlan {
        activity.wrappingAdd(1, ordering: .relaxed)
        defer { activity.wrappingSubtract(1, ordering: .relaxed) }
        return try await plans.plan(key, until: cancellation) { [self] in try await compile(step) }
    }

    /// Has a task prepare its part of a step, and notes that it is waited for.
    private func register(_ request: RegisterGraph, at task: SessionTask) async throws -> String {
        preparing.withLock { $0[task.name] = $0[task.name] ?? .now }
        defer { preparing.withLock { $0[task.name] = nil } }
        return try await task.worker.registerGraph(request)
    }
    /// Who is waited for, for a message of a step that waits too long.
    private var silence: String {
        preparing.withLock { $0 }.sorted { $0.key.description < $1.key.description }
            .map { " Task \($0.key) has not answered for \(StepCoordinator.seconds(.now - $0.value))." }.joined()
    }

    private func compile(_ step: FeedsAndFetches) async throws -> StepPlan {
        let placed = state.withLock { $0.placed }
        var graph = try step.rewrite(
            placed, style: .rendezvous(device: clientDevice.name, incarnation: clientDevice.incarnation), registry: registry)
        graph = try ControlLoops.add(to: graph, registry: registry)
        let incarnations = Dictionary(devices.map { ($0.name, $0.incarnation) }, uniquingKeysWith: { a, _ in a })
        let partitioner = Partitioner(
            registry: registry, suffix: "S", by: { $0.taskName.description },
            numberedBy: { [self] in cutNumber.wrappingAdd(1, ordering: .relaxed).oldValue },
            incarnation: { name in
                guard let incarnation = incarnations[name] else { throw Status.internalError("unknown device \(name)") }
                return incarnation
            })
        let pieces = try partitioner.partition(graph)
        let parts = try await withThrowingTaskGroup(of: StepPlan.Part.self) { group in
            for piece in pieces {
                guard let task = tasks.first(where: { $0.name.description == piece.name }) else {
                    throw Status.internalError("no task \(piece.name) in this session")
                }
                group.addTask { [self] in
                    var request = RegisterGraph(session: handle, graph: piece.graph.definition, configuration: configuration)
                    request.graph.library = piece.graph.library.reachable(from: piece.graph)
                    request.hasControlFlow = piece.graph.nodes.contains { $0.op.name == "Enter" || $0.op.name == "Switch" }
                    let graphHandle = try await register(request, at: task)
                    return StepPlan.Part(task: task.name, worker: task.worker, handle: graphHandle, isClient: task.name == localTask)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        func keys(_ names: [String]) -> [String: String] {
            Dictionary(
                names.map { ($0, FeedsAndFetches.key($0, device: clientDevice.name, incarnation: clientDevice.incarnation).text) },
                uniquingKeysWith: { a, _ in a })
        }
        let types = step.feeds.map { name -> (String, DType) in
            guard let reference = InputReference(name), let node = placed.node(named: reference.node) else { return (name, .float32) }
            return (name, node.outputTypes[reference.index].dtype)
        }
        return StepPlan(
            parts: parts, graph: graph, feedKeys: keys(step.feeds), fetchKeys: keys(step.fetches),
            feedTypes: Dictionary(types, uniquingKeysWith: { a, _ in a }), session: handle)
    }

    // MARK: Steps

    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        if !request.partialRunHandle.isEmpty { return runPart(request, cancellation: cancellation, done) }
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets)
        let timeout = request.options.timeout ?? configuration.operationTimeout
        if let plan = plans.ready(key) { return run(plan, request, cancellation, timeout: timeout, done) }
        let start = ContinuousClock.now
        let waiting = Cancellation()
        let outer = cancellation.register { waiting.cancel() }
        let deadline = timeout.map { Deadline($0 - StepDeadline.margin($0)) { waiting.cancel() } }
        Task { [self] in
            defer {
                if let outer { cancellation.deregister(outer) }
                deadline?.stop()
            }
            do {
                try state.withLock { state throws(Status) in try MasterSession.checkOpen(state) }
                let step = FeedsAndFetches(feeds: request.feedNames, fetches: request.fetches, targets: request.targets)
                let plan = try await plan(key, step, until: waiting)
                // Not on this thread, which is for messages: the part of this process begins where it is called.
                let left = timeout.map { $0 - (.now - start) }
                ComputePool.shared.submit { [self] in run(plan, request, cancellation, timeout: left, done) }
            } catch {
                guard let timeout, deadline?.hasFired == true else { return done(.failure(Status(error))) }
                done(.failure(.deadlineExceeded("Deadline Exceeded: the step's graph was not ready within \(StepCoordinator.seconds(timeout)).\(silence)")))
            }
        }
    }

    private func run(
        _ plan: StepPlan, _ request: RunStep, _ outer: Cancellation, timeout: Duration?, _ done: @escaping Completion<RunStepReply>
    ) {
        // Only 57 bits of a step id may be set.
        let step = Int.random(in: 1..<(1 << 56))
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
            done(result.flatMap { replies in
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

    /// Runs a step's parts, with a deadline and an entry among the running steps, and cleans up after it.
    private func start(
        _ step: Int, _ plan: StepPlan, _ call: RunGraph, _ outer: Cancellation, timeout: Duration?,
        _ done: @escaping Completion<[RunGraphReply]>
    ) {
        let cancellation = Cancellation()
        let isOpen = state.withLock { state -> Bool in
            if state.isClosed { return false }
            state.running[step] = cancellation
            activity.wrappingAdd(1, ordering: .relaxed)
            return true
        }
        guard isOpen else { return done(.failure(.failedPrecondition("Session is closed."))) }
        let outerToken = outer.register { cancellation.cancel() }
        guard let outerToken else {
            state.withLock { _ = $0.running.removeValue(forKey: step) }
            activity.wrappingSubtract(1, ordering: .relaxed)
            return done(.failure(.cancelled("RunStep was cancelled")))
        }
        let deadline = timeout.map { StepDeadline($0) }
        let coordinator = StepCoordinator(plan, cancellation: cancellation) { [self] result in
            activity.wrappingSubtract(1, ordering: .relaxed)
            outer.deregister(outerToken)
            let isClosed = state.withLock { state -> Bool in
                state.running[step] = nil
                return state.isClosed
            }
            cleanUp(step, plan)
            var result = result
            if case .failure(let status) = result {
                if deadline?.hasFired == true {
                    result = .failure(.deadlineExceeded(
                        "Deadline Exceeded: step \(step) did not end within \(StepCoordinator.seconds(timeout ?? .zero)). \(status.message)"))
                } else if isClosed, status.code == .cancelled || status.code == .aborted {
                    result = .failure(.cancelled("Step was cancelled by an explicit call to `Session::Close()`."))
                }
            }
            deadline?.stop()
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

    func setUpPartialRun(_ request: RunStep) async throws -> String {
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets, isPartial: true)
        let step = FeedsAndFetches(feeds: request.feedNames, fetches: request.fetches, targets: request.targets)
        let plan = try await plan(key, step)
        let (handle, gone) = state.withLock { state -> (String, [PartialRun]) in
            let handle = String(state.nextPartialRun)
            state.nextPartialRun += 1
            let run = PartialRun(
                plan: plan, step: Int.random(in: 1..<(1 << 56)), feedsLeft: Set(step.feeds), fetchesLeft: Set(step.fetches))
            return (handle, state.partialRuns.insert(handle, run))
        }
        for run in gone { cleanUp(run.step, run.plan) }
        return handle
    }

    private func runPart(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let handle = request.partialRunHandle
        do {
            let (run, isLast) = try state.withLock { (state: inout State) throws -> (PartialRun, Bool) in
                guard var run = state.partialRuns.use(handle) else {
                    throw Status.invalidArgument("Must run PartialRunSetup before performing partial runs")
                }
                for feed in request.feedNames where run.feedsLeft.remove(feed) == nil {
                    let reason = run.plan.feedKeys[feed] == nil ? "was not specified in partial_run_setup." : "has already been fed."
                    throw Status.invalidArgument("The feed \(feed) \(reason)")
                }
                run.fed.formUnion(request.feedNames)
                for fetch in request.fetches where run.fetchesLeft.remove(fetch) == nil {
                    let reason = run.plan.fetchKeys[fetch] == nil ? "was not specified in partial_run_setup." : "has already been fetched."
                    throw Status.invalidArgument("The fetch \(fetch) \(reason)")
                }
                try MasterSession.checkComputable(request.fetches, run.plan.graph, missing: run.feedsLeft)
                let isLast = run.feedsLeft.isEmpty && run.fetchesLeft.isEmpty
                state.partialRuns.remove(handle)
                if !isLast { _ = state.partialRuns.insert(handle, run) }
                return (run, isLast)
            }
            var call = RunGraph(session: self.handle, graph: "", step: run.step)
            call.isPartial = true
            call.isLastPartial = isLast
            call.sends = try sends(run.plan, request.feeds)
            call.receives = request.fetches.compactMap { run.plan.fetchKeys[$0] }
            activity.wrappingAdd(1, ordering: .relaxed)
            let coordinator = StepCoordinator(run.plan, cancellation: cancellation) { [self] result in
                activity.wrappingSubtract(1, ordering: .relaxed)
                var failed = false
                if case .failure = result { failed = true }
                if failed || isLast {
                    state.withLock { _ = $0.partialRuns.remove(handle) }
                    cleanUp(run.step, run.plan)
                }
                done(result.flatMap { replies in
                    Result { () throws(Status) -> RunStepReply in
                        RunStepReply(tensors: try MasterSession.pick(request.fetches, run.plan, replies))
                    }
                })
            }
            coordinator.run(call)
        } catch {
            done(.failure(Status(error)))
        }
    }

    /// - Throws: `invalidArgument` when a fetch depends on a feed that has not been given.
    private static func checkComputable(_ fetches: [String], _ graph: Graph, missing: Set<String>) throws {
        let unfed = Set(missing.compactMap { name in
            InputReference(name).flatMap { graph.index["_recv_\($0.node)_\($0.index)"] }
        })
        for fetch in fetches {
            guard let reference = InputReference(fetch), let node = graph.index["_send_\(reference.node)_\(reference.index)"] else { continue }
            let reached = graph.ancestors(of: [node])
            if unfed.contains(where: { reached[$0] }) {
                throw Status.invalidArgument("Fetch \(fetch) can't be computed from the feeds that have been fed so far.")
            }
        }
    }

    // MARK: Callables

    func makeCallable(_ options: CallableOptions) async throws -> Int {
        guard !options.hasFeedOrFetchDevices else {
            throw Status.unimplemented("feed_devices and fetch_devices are not supported in distributed sessions")
        }
        guard options.connections.isEmpty else {
            throw Status.unimplemented("tensor_connection is not supported in distributed sessions")
        }
        _ = try await plan(
            StepPlan.Key(feeds: options.feeds, fetches: options.fetches, targets: options.targets),
            FeedsAndFetches(feeds: options.feeds, fetches: options.fetches, targets: options.targets))
        return state.withLock { state in
            defer { state.nextCallable += 1 }
            _ = state.callables.insert(state.nextCallable, options)
            return state.nextCallable
        }
    }

    func runCallable(_ callable: Int, feeds: [Tensor], cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let (options, wasReleased) = state.withLock { ($0.callables.use(callable), (0..<$0.nextCallable).contains(callable)) }
        guard let options else {
            return done(.failure(.invalidArgument(
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

    /// Cancels what runs and frees what the session has on its tasks.
    func close() async {
        let (running, partialRuns) = state.withLock { state -> ([Cancellation], [PartialRun]) in
            state.isClosed = true
            return (Array(state.running.values), state.partialRuns.removeAll())
        }
        for cancellation in running { cancellation.cancel() }
        for run in partialRuns { cleanUp(run.step, run.plan) }
        await withTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask { [handle] in
                    // A task that is gone has nothing to free; nobody waits long for it.
                    await withDeadline(.seconds(10)) { try? await task.worker.deleteSession(handle) }
                }
            }
        }
    }
}
