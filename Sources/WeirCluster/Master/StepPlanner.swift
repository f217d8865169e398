import Metrics
import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// Compiles the steps of a session: rewrites the placed graph for the feeds and fetches, partitions it by task, and registers
/// each partition with its worker.
final class StepPlanner: Sendable {
    private let session: String
    private let graph: GraphExecutionState
    private let configuration: SessionConfiguration
    private let tasks: [SessionTask]
    private let localTask: DeviceName
    private let registry: OpRegistry
    private let compileDuration: Timer
    private let clientDevice: PlacementDevice
    private let plans = PlanCache()
    /// The number of edges that partitioning has cut so far. It makes the names of added nodes unique.
    private let edgeNumber = Atomic<Int>(0)
    /// The number of steps that wait for their plan.
    private let waitingCount = Atomic<Int>(0)
    var isBusy: Bool { waitingCount.load(ordering: .relaxed) > 0 }
    /// The tasks that have not yet replied to RegisterGraph, with the time of the first pending request.
    private let registering = Mutex<[DeviceName: ContinuousClock.Instant]>([:])

    init(
        session: String, graph: GraphExecutionState, configuration: SessionConfiguration, tasks: [SessionTask], localTask: DeviceName,
        clientDevice: PlacementDevice, registry: OpRegistry, compileDuration: Timer
    ) {
        self.session = session
        self.graph = graph
        self.configuration = configuration
        self.tasks = tasks
        self.localTask = localTask
        self.clientDevice = clientDevice
        self.registry = registry
        self.compileDuration = compileDuration
    }

    /// Returns the plan if it is compiled.
    func ready(_ key: StepPlan.Key) -> StepPlan? { plans.ready(key) }

    /// Returns the plan. Compiles it if there is none.
    /// - Parameters:
    ///   - timeout: the timeout of the step.
    ///   - cancellation: ends this call, as does cancelling the calling Swift task.
    /// - Throws: `deadlineExceeded` with the names of the tasks that have not responded; `notFound` or `invalidArgument` for
    ///   wrong feeds, fetches or targets; the errors of the workers.
    func plan(
        _ key: StepPlan.Key, within timeout: Duration?, until cancellation: Cancellation = Cancellation()
    ) async throws(Status) -> StepPlan {
        waitingCount.wrappingAdd(1, ordering: .relaxed)
        let waiting = Cancellation()
        let token = cancellation.register { waiting.cancel() }
        let deadline = timeout.map { Deadline($0 - StepDeadline.margin($0)) { waiting.cancel() } }
        defer {
            if let token { cancellation.deregister(token) }
            deadline?.stop()
            waitingCount.wrappingSubtract(1, ordering: .relaxed)
        }
        if token == nil { waiting.cancel() }
        do {
            return try await withTaskCancellationHandler {
                try await plans.plan(key, until: waiting) { [self] in
                    try await compile(FeedsAndFetches(feeds: key.feeds, fetches: key.fetches, targets: key.targets))
                }
            } onCancel: {
                waiting.cancel()
            }
        } catch {
            guard let timeout, deadline?.hasFired == true else { throw Status(error) }
            throw .deadlineExceeded("Deadline Exceeded: the step's graph was not ready within \(StepCoordinator.seconds(timeout)).\(silentTasks)")
        }
    }

    private func compile(_ step: FeedsAndFetches) async throws -> StepPlan {
        let start = ContinuousClock.now
        defer { compileDuration.record(duration: .now - start) }
        // Not on this thread, which handles messages: a graph may be large.
        let (rewritten, partitions, types, graphKey) = try await ComputePool.shared.result { [self] in
            let placed = graph.placed
            let rewritten = try rewrite(placed, step)
            let graphKey = rewritten.collectiveGraphKey(registry)
            return (rewritten, try partition(rewritten), step.feedTypes(in: placed), graphKey)
        }
        let parts = try await withThrowingTaskGroup(of: StepPlan.Part.self) { group in
            for partition in partitions { group.addTask { [self] in try await register(partition, collectiveGraphKey: graphKey) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return StepPlan(
            parts: parts, graph: rewritten, feedKeys: keys(step.feeds), fetchKeys: keys(step.fetches), feedTypes: types, session: session,
            master: localTask.description)
    }

    private typealias Partition = (name: String, graph: Graph)

    private func rewrite(_ placed: Graph, _ step: FeedsAndFetches) throws -> Graph {
        let style = FeedsAndFetches.Style.rendezvous(device: clientDevice.name, incarnation: clientDevice.incarnation)
        return try ControlLoops.add(to: step.rewrite(placed, style: style, registry: registry), registry: registry)
    }

    private func partition(_ graph: Graph) throws -> [Partition] {
        let incarnations = Dictionary(tasks.flatMap(\.devices).map { ($0.name, $0.incarnation) }, uniquingKeysWith: { a, _ in a })
        let partitioner = Partitioner(
            registry: registry, suffix: "S", by: { $0.taskName.description },
            numberedBy: { [self] in edgeNumber.wrappingAdd(1, ordering: .relaxed).oldValue },
            incarnation: { name in
                guard let incarnation = incarnations[name] else { throw Status.internalError("unknown device \(name)") }
                return incarnation
            })
        return try partitioner.partition(graph)
    }

    private func register(_ partition: Partition, collectiveGraphKey: Int) async throws -> StepPlan.Part {
        guard let task = tasks.first(where: { $0.name.description == partition.name }) else {
            throw Status.internalError("no task \(partition.name) in this session")
        }
        var request = RegisterGraph(session: session, graph: partition.graph.definition, configuration: configuration)
        request.graph.library = partition.graph.library.reachable(from: partition.graph)
        request.hasControlFlow = partition.graph.nodes.contains { $0.role == .enter || $0.role == .switch }
        request.collectiveGraphKey = collectiveGraphKey
        registering.withLock { $0[task.name] = $0[task.name] ?? .now }
        defer { registering.withLock { $0[task.name] = nil } }
        let handle = try await task.worker.registerGraph(request)
        return StepPlan.Part(task: task.name, worker: task.worker, handle: handle, isClient: task.name == localTask)
    }

    /// The tasks that have not responded, as text for error messages.
    private var silentTasks: String {
        registering.withLock { $0 }.sorted { $0.key.description < $1.key.description }
            .map { " Task \($0.key) has not answered for \(StepCoordinator.seconds(.now - $0.value))." }.joined()
    }

    private func keys(_ names: [String]) -> [String: String] {
        Dictionary(
            names.map { ($0, FeedsAndFetches.key($0, device: clientDevice.name, incarnation: clientDevice.incarnation).text) },
            uniquingKeysWith: { a, _ in a })
    }
}

extension FeedsAndFetches {
    /// Returns the dtypes of the fed tensors by name.
    fileprivate func feedTypes(in placed: Graph) -> [String: DType] {
        let types = feeds.map { name -> (String, DType) in
            guard let reference = InputReference(name), let node = placed.node(named: reference.node) else { return (name, .float32) }
            return (name, node.outputTypes[reference.index].dtype)
        }
        return Dictionary(types, uniquingKeysWith: { a, _ in a })
    }
}
