import Synchronization
import WeirGraph
import WeirTensor

/// Runs one step on all its tasks at once, ends all of it when one part fails, and finds the cause.
final class StepCoordinator: Sendable {
    private struct State {
        /// Which parts have ended.
        var hasEnded: [Bool]
        var left: Int
        var failures: [(task: DeviceName, status: Status)] = []
        var replies: [RunGraphReply] = []
        var isDone = false
        /// Whether tasks that do not answer are waited for no longer.
        var givesUp = false
        var timer: Deadline?
        /// When that ends the step, once parts have been told to end.
        var end: ContinuousClock.Instant?
    }
    /// How long parts have to end once they are told to. Those of this process are waited for however long they take.
    static let patience = Duration.seconds(5)
    /// How long the cause of a failure is waited for when only its fallout has come so far.
    private let causeDelay: Duration
    private let plan: StepPlan
    private let cancellation: Cancellation
    /// Fired when a part fails, so that the others do not wait for what will never come.
    private let parts = Cancellation()
    private let state: Mutex<State>
    private let start = ContinuousClock.now
    private let done: Completion<[RunGraphReply]>

    init(
        _ plan: StepPlan, cancellation: Cancellation, causeDelay: Duration = .seconds(2), _ done: @escaping Completion<[RunGraphReply]>
    ) {
        self.plan = plan
        self.causeDelay = causeDelay
        self.cancellation = cancellation
        state = Mutex(State(hasEnded: [Bool](repeating: false, count: plan.parts.count), left: plan.parts.count))
        self.done = done
    }

    /// - Parameter request: the call for the part that takes feeds and gives fetches; the others get it without them.
    func run(_ request: RunGraph) {
        guard !plan.parts.isEmpty else { return done(.success([])) }
        let token = cancellation.register { [weak self] in self?.end(within: StepCoordinator.patience) }
        guard let token else { return done(.failure(.cancelled("RunStep was cancelled before it began"))) }
        for (index, part) in plan.parts.enumerated() {
            var call = request
            call.graph = part.handle
            call.requestID = Int.random(in: 1 ... .max)
            if !part.isClient {
                call.sends = []
                call.receives = []
            }
            part.worker.runGraph(call, cancellation: parts) { [self] result in finish(index, result, token) }
        }
    }

    /// Has every part end, and ends the step when they have or when the time is over: a task that does not answer, because
    /// it is stopped or cut off, holds up nobody.
    func end(within time: Duration) {
        let end = ContinuousClock.now + time.bounded
        let timer = Deadline(time) { [weak self] in self?.giveUp() }
        let before = state.withLock { state -> Deadline? in
            // Who told them before may have given them less time.
            if state.isDone || state.end.map({ $0 <= end }) == true { return timer }
            state.end = end
            defer { state.timer = timer }
            return state.timer
        }
        before?.stop()
        parts.cancel()
    }

    private func giveUp() {
        let outcome = state.withLock { state -> Result<[RunGraphReply], Status>? in
            state.givesUp = true
            return settled(&state)
        }
        if let outcome { done(outcome) }
    }

    private func finish(_ index: Int, _ result: Result<RunGraphReply, Status>, _ token: Cancellation.Token) {
        let (outcome, ends, waits) = state.withLock { state -> (Result<[RunGraphReply], Status>?, Bool, Bool) in
            guard !state.isDone else { return (nil, false, false) }
            state.left -= 1
            state.hasEnded[index] = true
            var (ends, waits) = (false, false)
            switch result {
            case .success(let reply): state.replies.append(reply)
            case .failure(let status):
                ends = !status.isDerived && !state.failures.contains { !$0.status.isDerived }
                waits = status.isDerived && state.failures.isEmpty && state.timer == nil
                state.failures.append((plan.parts[index].task, status))
            }
            return (settled(&state), ends, waits)
        }
        if let outcome {
            cancellation.deregister(token)
            return done(outcome)
        }
        if ends { end(within: StepCoordinator.patience) }
        if waits { awaitCause() }
    }

    /// Fallout says that something failed elsewhere, which will be told by whoever it happened to; but not for ever.
    private func awaitCause() {
        let timer = Deadline(causeDelay) { [weak self] in self?.end(within: StepCoordinator.patience) }
        let isNeeded = state.withLock { state -> Bool in
            guard !state.isDone, state.timer == nil else { return false }
            state.timer = timer
            return true
        }
        if !isNeeded { timer.stop() }
    }

    /// What the step came to, if that is known by now. Under the lock.
    private func settled(_ state: inout State) -> Result<[RunGraphReply], Status>? {
        guard !state.isDone else { return nil }
        let silent = plan.parts.indices.filter { !state.hasEnded[$0] }.map { plan.parts[$0] }
        guard silent.isEmpty || (state.givesUp && silent.allSatisfy { !($0.worker is Worker) }) else { return nil }
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

    /// What the client is told: the root cause with its task, or all of them when there are several; of fallout, what
    /// says most.
    static func cause(of failures: [(task: DeviceName, status: Status)]) -> Status {
        let roots = failures.filter { !$0.status.isDerived }
        guard let first = roots.first else {
            // What peers were told when the step failed has the cause's code and words; what was cancelled has neither.
            return failures.map(\.status).first { $0.code != .cancelled && $0.code != .aborted } ?? failures[0].status
        }
        if roots.count == 1 { return Status(first.status.code, "From \(first.task):\n\(first.status.message)") }
        let rule = "====================="
        let all = roots.map { "From \($0.task):\n\($0.status.message)" }.joined(separator: "\n")
        return Status(first.status.code, "\(roots.count) root error(s) found.\n\(rule)\n\(all)\n\(rule)")
    }

    /// A time as people say it: `3.2 s`.
    static func seconds(_ duration: Duration) -> String {
        let tenths = Int((duration / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
