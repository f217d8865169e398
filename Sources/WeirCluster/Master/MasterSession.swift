import Logging
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// One client's session on a cluster: its graph, and the steps, partial runs and callables on it. TensorFlow's `MasterSession`.
final class MasterSession: Sendable {
    let handle: String
    private let configuration: SessionConfiguration
    private let tasks: [SessionTask]
    private let localTask: DeviceName
    private let logger: Logger
    private let metrics: ServerMetrics
    private let graph: GraphExecutionState
    private let planner: StepPlanner
    private let runner: StepRunner
    private let partialRuns: PartialRuns
    private let callables = Callables()
    private let stepIDs: AgreedStepIDs

    /// Whether a step runs or waits for its plan.
    var isBusy: Bool { runner.isBusy || planner.isBusy }

    /// - Throws: `invalidArgument` when the graph is malformed or cannot be placed.
    init(
        handle: String, configuration: SessionConfiguration, tasks: [SessionTask], localTask: DeviceName, graph: Graph,
        stepIDs: AgreedStepIDs, registry: OpRegistry, logger: Logger, metrics: ServerMetrics
    ) throws {
        self.handle = handle
        self.configuration = configuration
        self.tasks = tasks
        self.localTask = localTask
        self.logger = logger
        self.metrics = metrics
        self.stepIDs = stepIDs
        let placer = try Placer(tasks, localTask: localTask, configuration: configuration)
        guard let client = placer.devices.first(where: { $0.isLocal && $0.type == "CPU" }) else {
            throw Status.internalError("Task \(localTask) has no CPU device for clients' tensors")
        }
        self.graph = try GraphExecutionState(graph, placer: placer, registry: registry)
        planner = StepPlanner(
            session: handle, graph: self.graph, configuration: configuration, tasks: tasks, localTask: localTask, clientDevice: client,
            registry: registry, compileDuration: metrics.compileDuration)
        runner = StepRunner(session: handle, metrics: metrics.steps)
        partialRuns = PartialRuns(session: handle, runner: runner)
        logPlacement(self.graph.placed)
    }

    private func logPlacement(_ placed: Graph) {
        guard configuration.logsPlacement, !placed.nodes.isEmpty else { return }
        logger.info("Placed the graph", metadata: ["session": "\(handle)", "placement": .stringConvertible(PlacementReport(placed))])
    }

    /// The device of each node of the graph.
    var placement: PlacementReport { PlacementReport(graph.placed) }

    /// The devices of all tasks, those of the local task first.
    var deviceAttributes: [DeviceAttributes] {
        let devices = tasks.flatMap(\.devices)
        return devices.filter { $0.name.isSameTask(as: localTask) } + devices.filter { !$0.name.isSameTask(as: localTask) }
    }

    /// Adds nodes and functions to the graph.
    /// - Throws: `failedPrecondition` when the session is closed; as `GraphExecutionState.extend`.
    func extend(_ definition: GraphDefinition, version: Int) async throws -> (version: Int, nodeCount: Int) {
        try runner.checkOpen()
        let result = try await graph.extend(with: definition, version: version)
        try runner.checkOpen()
        logPlacement(result.placed)
        return (result.version, result.nodeCount)
    }

    private func timeout(_ options: RunOptions) -> Duration? { options.timeout ?? configuration.operationTimeout }

    /// Runs a step, or one call of a partial run. The first step of a kind is compiled first.
    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        let request = request.withUniqueFetches
        let timeout = timeout(request.options)
        if !request.partialRunHandle.isEmpty { return partialRuns.run(request, cancellation: cancellation, timeout: timeout, done) }
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets)
        let graphKey = request.options.collectiveGraphKey
        if graphKey == 0, let plan = planner.ready(key) { return runner.run(request, plan, cancellation: cancellation, timeout: timeout, done) }
        let start = ContinuousClock.now
        Task { [self] in
            do throws(Status) {
                let plan = try await plan(key, within: timeout, until: cancellation)
                let step = try await agreedStepID(graphKey)
                let left = timeout.map { $0 - (.now - start) }
                // Not on this thread, which handles messages: the partition of this process runs on the thread that starts it.
                ComputePool.shared.submit { [self] in
                    guard let step else { return runner.run(request, plan, cancellation: cancellation, timeout: left, done) }
                    runner.run(request, plan, step: step, cancellation: cancellation, timeout: left) { [stepIDs] result in
                        stepIDs.end(graphKey, step, hasSucceeded: (try? result.get()) != nil)
                        done(result)
                    }
                }
            } catch {
                metrics.steps.count(error)
                done(.failure(error))
            }
        }
    }

    private func agreedStepID(_ graphKey: Int) async throws(Status) -> Int? {
        do { return try await stepIDs.next(graphKey) } catch { throw Status(error) }
    }

    private func plan(_ key: StepPlan.Key, within timeout: Duration?, until cancellation: Cancellation = Cancellation()) async throws(Status) -> StepPlan {
        try runner.checkOpen()
        return try await planner.plan(key, within: timeout, until: cancellation)
    }

    /// Compiles the step of a partial run.
    /// - Returns: the handle for the calls of the run.
    func setUpPartialRun(_ request: RunStep) async throws(Status) -> String {
        let request = request.withUniqueFetches
        let key = StepPlan.Key(feeds: request.feedNames, fetches: request.fetches, targets: request.targets, isPartial: true)
        return try partialRuns.begin(request, try await plan(key, within: timeout(request.options)))
    }

    /// Compiles the step of a callable.
    /// - Returns: the callable's handle.
    func makeCallable(_ options: CallableOptions) async throws(Status) -> Int {
        try Callables.checkSupported(options)
        let key = StepPlan.Key(feeds: options.feeds, fetches: options.fetches, targets: options.targets)
        _ = try await plan(key, within: timeout(options.options))
        return callables.add(options)
    }

    func runCallable(_ callable: Int, feeds: [Tensor], cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        do throws(Status) {
            runStep(try callables.step(callable, feeds: feeds, session: handle), cancellation: cancellation, done)
        } catch {
            done(.failure(error))
        }
    }

    func releaseCallable(_ callable: Int) { callables.release(callable) }

    /// How long a close waits for each task. A task that is gone has nothing to free.
    static let closingTime = Duration.seconds(10)

    /// Cancels the running steps and frees what the session has on its tasks.
    func close(within time: Duration = MasterSession.closingTime) async {
        runner.close()
        partialRuns.close()
        await withTaskGroup(of: Void.self) { group in
            for task in tasks {
                group.addTask { [handle] in
                    await Deadline.run(within: time) { try? await task.worker.deleteSession(handle) }
                }
            }
        }
    }
}

extension RunStep {
    /// The request with each fetch once, as TensorFlow does.
    fileprivate var withUniqueFetches: RunStep {
        // Fetches are nearly always different. Then nothing is copied.
        guard fetches.count > 1, Set(fetches).count < fetches.count else { return self }
        var (step, known) = (self, Set<String>())
        step.fetches = fetches.filter { known.insert($0).inserted }
        return step
    }
}
