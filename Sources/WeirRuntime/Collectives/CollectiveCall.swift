import Synchronization
import WeirGraph
import WeirTensor

/// One call of a collective operation by one member, from its start until its completion is called.
final class CollectiveCall: Sendable {
    let operation: CollectiveOperation
    let input: Tensor?
    let step: StepContext
    private let done: Completion<Tensor>
    private struct State {
        var isFinished = false
        var hasGroup = false
        var token: Cancellation.Token?
        var timer: Task<Void, Never>?
        var transfers: CollectiveTransfers?
    }
    private let state = Mutex(State())

    init(_ operation: CollectiveOperation, input: Tensor?, step: StepContext, _ done: @escaping Completion<Tensor>) {
        self.operation = operation
        self.input = input
        self.step = step
        self.done = done
    }

    /// Whether the completion has been called.
    var isFinished: Bool { state.withLock { $0.isFinished } }

    /// Calls `fail` when the step is cancelled or the operation takes too long.
    func watch(_ fail: @escaping @Sendable (CollectiveCall, Status) -> Void) {
        let cancelled = Status.cancelled("op cancelled \(operation.name)").derived
        guard let token = step.cancellation.register({ [self] in fail(self, cancelled) }) else { return fail(self, cancelled) }
        let timer = operation.timeout.map { timeout in
            Task { [self] in
                guard (try? await Task.sleep(for: timeout.bounded)) != nil else { return }
                let hasGroup = state.withLock { $0.hasGroup }
                fail(self, .deadlineExceeded(hasGroup ? "Collective has timed out during execution." : "Collective has timed out waiting for other workers."))
            }
        }
        let isFinished = state.withLock { state in
            if !state.isFinished { (state.token, state.timer) = (token, timer) }
            return state.isFinished
        }
        guard isFinished else { return }
        step.cancellation.deregister(token)
        timer?.cancel()
    }

    /// Starts the transfers, unless the call has failed.
    func start(_ transfers: CollectiveTransfers) {
        let isFinished = state.withLock { state in
            if !state.isFinished { (state.hasGroup, state.transfers) = (true, transfers) }
            return state.isFinished
        }
        if !isFinished { transfers.start() }
    }

    /// Calls the completion. Only the first call counts.
    func finish(_ result: Result<Tensor, Status>) { claim()?(result) }

    /// Ends the call without calling the completion yet: what fails after this does not count.
    /// - Returns: the completion, for the first caller; nil for others.
    func claim() -> Completion<Tensor>? {
        let last = state.withLock { state -> State? in
            guard !state.isFinished else { return nil }
            defer {
                state = State()
                state.isFinished = true
            }
            return state
        }
        guard let last else { return nil }
        if let token = last.token { step.cancellation.deregister(token) }
        last.timer?.cancel()
        last.transfers?.stop()
        return done
    }
}
