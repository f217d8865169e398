import Synchronization
import WeirGraph
import WeirTensor

extension StepTable {
    /// The run of a partition whose tensors are fed and fetched in several calls.
    final class PartialRun: Sendable {
        let cancellation = Cancellation()
        private struct State {
            var result: Result<Void, Status>?
            var waiters: [Completion<Void>] = []
        }
        private let state = Mutex(State())

        /// Ends the run, when the partition has ended.
        func finish(_ result: Result<Void, Status>) {
            let waiters = state.withLock { state -> [Completion<Void>] in
                state.result = result
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter(result) }
        }
        /// Calls `done` with the result when the run has ended.
        func whenFinished(_ done: @escaping Completion<Void>) {
            let result = state.withLock { state -> Result<Void, Status>? in
                if state.result == nil { state.waiters.append(done) }
                return state.result
            }
            if let result { done(result) }
        }
    }
}
