import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// Runs the partitions of one step on all tasks concurrently. When one fails, cancels the others and finds the root cause.
final class StepCoordinator: Sendable {
    private struct State {
        /// For each partition whether it has ended.
        var hasEnded: [Bool]
        var failures: [(task: DeviceName, status: Status)] = []
        var replies: [RunGraphReply] = []
        var isDone = false
        /// Whether the step no longer waits for tasks that do not respond.
        var hasGivenUp = false
        /// The timer that gives up, or that cancels the step when the root cause of a failure does not arrive.
        var timer: Deadline?
        /// When the step gives up; nil before the partitions are cancelled.
        var end: ContinuousClock.Instant?
    }
    /// How long a step waits for other tasks after it has cancelled their partitions. It waits for this task without a limit.
    static let gracePeriod = Duration.seconds(5)
    /// How long a step waits for the root cause when only derived statuses have arrived.
    private let causeDelay: Duration
    private let plan: StepPlan
    private let cancellation: Cancellation
    /// Cancels the partitions, which may wait for tensors of the one that failed.
    private let partCancellation = Cancellation()
    private let state: Mutex<State>
    private let start = ContinuousClock.now
    private let done: Completion<[RunGraphReply]>

    init(
        _ plan: StepPlan, cancellation: Cancellation, causeDelay: Duration = .seconds(2), _ done: @escaping Completion<[RunGraphReply]>
    ) {
        self.plan = plan
        self.causeDelay = causeDelay
        self.cancellation = cancellation
        state = Mutex(State(hasEnded: [Bool](repeating: false, count: plan.parts.count)))
        self.done = done
    }

    /// Starts the partitions.
    /// - Parameter request: the call for the partition with the feeds and fetches. The other partitions get it without them.
    func run(_ request: RunGraph) {
        guard !plan.parts.isEmpty else { return done(.success([])) }
        let token = cancellation.register { [weak self] in self?.end(within: StepCoordinator.gracePeriod) }
        guard let token else { return done(.failure(.cancelled("RunStep was cancelled before it began"))) }
        for (index, part) in plan.parts.enumerated() {
            var call = request
            call.graph = part.handle
            call.requestID = Int.random(in: 1 ... .max)
            if !part.isClient {
                call.sends = []
                call.receives = []
            }
            let sent = call.recordsTimes ? StepClock.now() : 0
            part.worker.runGraph(call, cancellation: partCancellation) { [self] result in
                finish(index, sent == 0 ? result : result.map { recording($0, of: part.task, sent: sent) }, token)
            }
        }
    }

    /// Returns the reply to a call of a traced step with the record of the call.
    private func recording(_ reply: RunGraphReply, of task: DeviceName, sent: Int) -> RunGraphReply {
        var reply = reply
        let caller = StepCall.Party(task: plan.master, clock: HostClock.identity)
        reply.completeCall(of: task, by: caller, sent: sent, returned: StepClock.now())
        return reply
    }

    /// Cancels all partitions. The step ends when they have ended, or after this time if only other tasks have not: a task that
    /// is stopped or disconnected does not delay the client.
    func end(within time: Duration) {
        let end = ContinuousClock.now + time.bounded
        let timer = Deadline(time) { [weak self] in self?.giveUp() }
        let replaced = state.withLock { state -> Deadline? in
            // An earlier call may have set an earlier end.
            if state.isDone || state.end.map({ $0 <= end }) == true { return timer }
            state.end = end
            defer { state.timer = timer }
            return state.timer
        }
        replaced?.stop()
        partCancellation.cancel()
    }

    private func giveUp() {
        let outcome = state.withLock { state -> Result<[RunGraphReply], Status>? in
            state.hasGivenUp = true
            return resolve(&state)
        }
        if let outcome { done(outcome) }
    }

    private func finish(_ index: Int, _ result: Result<RunGraphReply, Status>, _ token: Cancellation.Token) {
        let (outcome, ends, awaitsCause) = state.withLock { state -> (Result<[RunGraphReply], Status>?, Bool, Bool) in
            guard !state.isDone else { return (nil, false, false) }
            state.hasEnded[index] = true
            var (ends, awaitsCause) = (false, false)
            switch result {
            case .success(let reply): state.replies.append(reply)
            case .failure(let status):
                ends = !status.isDerived && !state.failures.contains { !$0.status.isDerived }
                awaitsCause = status.isDerived && state.failures.isEmpty && state.timer == nil
                state.failures.append((plan.parts[index].task, status))
            }
            return (resolve(&state), ends, awaitsCause)
        }
        if let outcome {
            cancellation.deregister(token)
            return done(outcome)
        }
        if ends { end(within: StepCoordinator.gracePeriod) }
        if awaitsCause { awaitRootCause() }
    }

    /// Cancels the step when no root cause arrives in time. A derived status means that another partition has failed, and its
    /// task normally reports the cause.
    private func awaitRootCause() {
        let timer = Deadline(causeDelay) { [weak self] in self?.end(within: StepCoordinator.gracePeriod) }
        let isNeeded = state.withLock { state -> Bool in
            guard !state.isDone, state.timer == nil else { return false }
            state.timer = timer
            return true
        }
        if !isNeeded { timer.stop() }
    }

    /// Returns the result of the step, once, when it is known. Called with the lock held.
    private func resolve(_ state: inout State) -> Result<[RunGraphReply], Status>? {
        guard !state.isDone else { return nil }
        let silent = plan.parts.indices.filter { !state.hasEnded[$0] }.map { plan.parts[$0] }
        guard silent.isEmpty || (state.hasGivenUp && silent.allSatisfy { !$0.worker.isLocal }) else { return nil }
        state.isDone = true
        state.timer?.stop()
        state.timer = nil
        if silent.isEmpty, state.failures.isEmpty { return .success(state.replies) }
        let cause = state.failures.isEmpty ? nil : StepCoordinator.cause(of: state.failures)
        guard !silent.isEmpty, cause?.isDerived != false else { return .failure(cause ?? .internalError("a step ended without a result")) }
        let tasks = silent.map { "Task \($0.task)" }.joined(separator: ", ")
        let silence = "\(tasks) \(silent.count == 1 ? "has" : "have") not answered for \(StepCoordinator.seconds(.now - start))"
        return .failure(Status(.cancelled, silence + (cause.map { "\n\($0.message)" } ?? "")))
    }

    /// Returns the status for the client: the root cause with its task, or all of them if there are several. Without a root
    /// cause, the most informative derived status.
    static func cause(of failures: [(task: DeviceName, status: Status)]) -> Status {
        let roots = failures.filter { !$0.status.isDerived }
        guard let first = roots.first else {
            // A status that a peer passed on has the code and the message of the cause. Cancellation has neither.
            return failures.map(\.status).first { $0.code != .cancelled && $0.code != .aborted } ?? failures[0].status
        }
        if roots.count == 1 { return Status(first.status.code, "From \(first.task):\n\(first.status.message)") }
        let rule = "====================="
        let all = roots.map { "From \($0.task):\n\($0.status.message)" }.joined(separator: "\n")
        return Status(first.status.code, "\(roots.count) root error(s) found.\n\(rule)\n\(all)\n\(rule)")
    }

    /// Returns a duration as text for error messages, such as `3.2 s`.
    static func seconds(_ duration: Duration) -> String {
        let tenths = Int((duration / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
