import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// Makes plans of a session's steps: rewrites the placed graph for what a step feeds and fetches, cuts it into a part for
/// each task, and has the tasks prepare theirs.
final class StepPlanner: Sendable {
    private let session: String
    private let graph: GraphExecutionState
    private let configuration: SessionConfiguration
    private let tasks: [SessionTask]
    private let localTask: DeviceName
    private let registry: OpRegistry
    private let clientDevice: PlacementDevice
    private let plans = PlanCache()
    /// Numbers the nodes that cuts add.
    private let cutNumber = Atomic<Int>(0)
    /// Steps that wait for their graph to be prepared.
    private let waiting = Atomic<Int>(0)
    var isBusy: Bool { waiting.load(ordering: .relaxed) > 0 }
    /// The tasks that prepare a step's graph now, since when.
    private let preparing = Mutex<[DeviceName: ContinuousClock.Instant]>([:])

    init(
        session: String, graph: GraphExecutionState, configuration: SessionConfiguration, tasks: [SessionTask], localTask: DeviceName,
        clientDevice: PlacementDevice, registry: OpRegistry
    ) {
        self.session = session
        self.graph = graph
        self.configuration = configuration
        self.tasks = tasks
        self.localTask = localTask
        self.clientDevice = clientDevice
        self.registry = registry
    }

    /// The plan, if there is one.
    func ready(_ key: StepPlan.Key) -> StepPlan? { plans.ready(key) }

    /// The plan, made when there is none.
    /// - Parameters:
    ///   - timeout: of the step that is to run by it.
    ///   - cancellation: ends the wait, as does the end of the task that waits.
    /// - Throws: `deadlineExceeded` naming the tasks that have not answered, when the time is over; what is wrong with the
    ///   step or with its graph.
    func plan(
        _ key: StepPlan.Key, within timeout: Duration?, until cancellation: Cancellation = Cancellation()
    ) async throws(Status) -> StepPlan {
        waiting.wrappingAdd(1, ordering: .relaxed)
        let waits = Cancellation()
        let outer = cancellation.register { waits.cancel() }
        let deadline = timeout.map { Deadline($0 - StepDeadline.margin($0)) { waits.cancel() } }
        defer {
            if let outer { cancellation.deregister(outer) }
            deadline?.stop()
            waiting.wrappingSubtract(1, ordering: .relaxed)
        }
        if outer == nil { waits.cancel() }
        do {
            return try await withTaskCancellationHandler {
                try await plans.plan(key, until: waits) { [self] in
                    try await compile(FeedsAndFetches(feeds: key.feeds, fetches: key.fetches, targets: key.targets))
                }
            } onCancel: {
                waits.cancel()
            }
        } catch {
            guard let timeout, deadline?.hasFired == true else { throw Status(error) }
            throw .deadlineExceeded("Deadline Exceeded: the step's graph was not ready within \(StepCoordinator.seconds(timeout)).\(silence)")
        }
    }

    private func compile(_ step: FeedsAndFetches) async throws -> StepPlan {
        // Not on this thread, which is for messages: a graph may be large.
        let (rewritten, pieces, types) = try await ComputePool.shared.result { [self] in
            let placed = graph.placed
            let rewritten = try rewrite(placed, step)
            return (rewritten, try cut(rewritten), step.feedTypes(in: placed))
        }
        let parts = try await withThrowingTaskGroup(of: StepPlan.Part.self) { group in
            for piece in pieces { group.addTask { [self] in try await prepare(piece) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return StepPlan(
            parts: parts, graph: rewritten, feedKeys: keys(step.feeds), fetchKeys: keys(step.fetches), feedTypes: types, session: session)
    }

    private typealias Piece = (name: String, graph: Graph)

    private func rewrite(_ placed: Graph, _ step: FeedsAndFetches) throws -> Graph {
        let style = FeedsAndFetches.Style.rendezvous(device: clientDevice.name, incarnation: clientDevice.incarnation)
        return try ControlLoops.add(to: step.rewrite(placed, style: style, registry: registry), registry: registry)
    }

    private func cut(_ graph: Graph) throws -> [Piece] {
        let incarnations = Dictionary(tasks.flatMap(\.devices).map { ($0.name, $0.incarnation) }, uniquingKeysWith: { a, _ in a })
        let partitioner = Partitioner(
            registry: registry, suffix: "S", by: { $0.taskName.description },
            numberedBy: { [self] in cutNumber.wrappingAdd(1, ordering: .relaxed).oldValue },
            incarnation: { name in
                guard let incarnation = incarnations[name] else { throw Status.internalError("unknown device \(name)") }
                return incarnation
            })
        return try partitioner.partition(graph)
    }

    /// Has a task prepare its part, and notes that it is waited for.
    private func prepare(_ piece: Piece) async throws -> StepPlan.Part {
        guard let task = tasks.first(where: { $0.name.description == piece.name }) else {
            throw Status.internalError("no task \(piece.name) in this session")
        }
        var request = RegisterGraph(session: session, graph: piece.graph.definition, configuration: configuration)
        request.graph.library = piece.graph.library.reachable(from: piece.graph)
        request.hasControlFlow = piece.graph.nodes.contains { $0.role == .enter || $0.role == .switch }
        preparing.withLock { $0[task.name] = $0[task.name] ?? .now }
        defer { preparing.withLock { $0[task.name] = nil } }
        let handle = try await task.worker.registerGraph(request)
        return StepPlan.Part(task: task.name, worker: task.worker, handle: handle, isClient: task.name == localTask)
    }

    /// Who is waited for, for a message of a step that waits too long.
    private var silence: String {
        preparing.withLock { $0 }.sorted { $0.key.description < $1.key.description }
            .map { " Task \($0.key) has not answered for \(StepCoordinator.seconds(.now - $0.value))." }.joined()
    }

    private func keys(_ names: [String]) -> [String: String] {
        Dictionary(
            names.map { ($0, FeedsAndFetches.key($0, device: clientDevice.name, incarnation: clientDevice.incarnation).text) },
            uniquingKeysWith: { a, _ in a })
    }
}

extension FeedsAndFetches {
    /// The types of what is fed, by name.
    fileprivate func feedTypes(in placed: Graph) -> [String: DType] {
        let types = feeds.map { name -> (String, DType) in
            guard let reference = InputReference(name), let node = placed.node(named: reference.node) else { return (name, .float32) }
            return (name, node.outputTypes[reference.index].dtype)
        }
        return Dictionary(types, uniquingKeysWith: { a, _ in a })
    }
}
