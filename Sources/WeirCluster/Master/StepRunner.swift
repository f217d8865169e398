import Synchronization
import WeirGraph
import WeirTensor

/// Runs compiled steps of one session, and cancels those that are running when the session is closed.
final class StepRunner: Sendable {
    private struct State {
        var isClosed = false
        var nextCall = 0
        /// The calls that run now. Several calls of one partial run may run at once, so the step's id is not the key.
        var running: [Int: Cancellation] = [:]
    }
    private let session: String
    private let metrics: OutcomeMetrics
    private let state = Mutex(State())
    /// The number of calls that run now. The master reads it under its own lock, so it is not in the state.
    private let runningCount = Atomic<Int>(0)

    init(session: String, metrics: OutcomeMetrics) {
        self.session = session
        self.metrics = metrics
    }

    var isBusy: Bool { runningCount.load(ordering: .relaxed) > 0 }

    /// - Throws: `failedPrecondition` when the session is closed.
    func checkOpen() throws(Status) {
        if state.withLock({ $0.isClosed }) { throw StepRunner.closed }
    }
    static let closed = Status.failedPrecondition("Session is closed.")

    /// Returns a random step id. TensorFlow's step ids have at most 57 bits.
    static func newStepID() -> Int { Int.random(in: 1..<(1 << 56)) }

    /// Runs a whole step: feeds it, runs its partitions on all tasks and returns its fetches.
    /// - Parameters:
    ///   - step: the step's id.
    ///   - timeout: after this time the step fails with `deadlineExceeded`.
    func run(
        _ request: RunStep, _ plan: StepPlan, step: Int = StepRunner.newStepID(), cancellation: Cancellation, timeout: Duration?,
        _ done: @escaping Completion<RunStepReply>
    ) {
        let begin = ContinuousClock.now
        var call = RunGraph(session: session, graph: "", step: step)
        call.recordsTimes = request.options.traces
        call.recordsPartitionGraphs = request.options.returnsPartitionGraphs
        let wantsMetadata = call.recordsTimes || call.recordsPartitionGraphs
        do throws(Status) {
            call.sends = try plan.sends(for: request.feeds)
            call.receives = plan.receives(for: request.fetches)
            try start(call, plan, cancellation: cancellation, timeout: timeout) { [self] result in
                plan.cleanUp(step: step)
                let reply = result.flatMap { replies in
                    Result { () throws(Status) in try plan.reply(to: request.fetches, from: replies, withMetadata: wantsMetadata) }
                }
                finish(reply, since: begin, done)
            }
        } catch {
            finish(.failure(error), since: begin, done)
        }
    }

    /// Records a step, or a call of a partial run, and returns its result to the client.
    func finish(_ result: Result<RunStepReply, Status>, since begin: ContinuousClock.Instant, _ done: Completion<RunStepReply>) {
        metrics.record(result, since: begin)
        done(result)
    }

    /// Starts the partitions of a step. The caller cleans the step up after its last call.
    ///
    /// - Parameters:
    ///   - outer: the client's cancellation, which ends the step.
    ///   - done: called once with the replies of all tasks; not called if this throws.
    /// - Throws: `failedPrecondition` when the session is closed; `cancelled` when `outer` was cancelled before.
    func start(
        _ call: RunGraph, _ plan: StepPlan, cancellation outer: Cancellation, timeout: Duration?, _ done: @escaping Completion<[RunGraphReply]>
    ) throws(Status) {
        let cancellation = Cancellation()
        let number = try state.withLock { state throws(Status) -> Int in
            if state.isClosed { throw StepRunner.closed }
            state.nextCall += 1
            state.running[state.nextCall] = cancellation
            runningCount.wrappingAdd(1, ordering: .relaxed)
            return state.nextCall
        }
        guard let token = outer.register({ cancellation.cancel() }) else {
            _ = end(number)
            throw .cancelled("RunStep was cancelled")
        }
        let deadline = timeout.map { StepDeadline($0) }
        let step = call.step
        let coordinator = StepCoordinator(plan, cancellation: cancellation) { [self] result in
            outer.deregister(token)
            let isClosed = end(number)
            let hasTimedOut = deadline?.hasFired == true
            deadline?.stop()
            done(
                result.mapError { status in
                    if hasTimedOut {
                        let limit = StepCoordinator.seconds(timeout ?? .zero)
                        return .deadlineExceeded("Deadline Exceeded: step \(step) did not end within \(limit). \(status.message)")
                    }
                    guard isClosed, status.code == .cancelled || status.code == .aborted else { return status }
                    return .cancelled("Step was cancelled by an explicit call to `Session::Close()`.")
                })
        }
        deadline?.start(coordinator)
        coordinator.run(call)
    }

    /// - Returns: whether the session is closed.
    private func end(_ number: Int) -> Bool {
        runningCount.wrappingSubtract(1, ordering: .relaxed)
        return state.withLock { state in
            state.running[number] = nil
            return state.isClosed
        }
    }

    /// Cancels all running steps. Later ones fail with `failedPrecondition`.
    func close() {
        let running = state.withLock { state in
            state.isClosed = true
            return Array(state.running.values)
        }
        for cancellation in running { cancellation.cancel() }
    }
}
