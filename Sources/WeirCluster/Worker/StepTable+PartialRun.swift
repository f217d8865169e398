import Synchronization
import WeirGraph
import WeirTensor

extension StepTable {
    /// A step that is run in several calls.
    final class PartialRun: Sendable {
        let cancellation = Cancellation()
        private struct State {
            var result: Result<Void, Status>?
            var waiters: [Completion<Void>] = []
        }
        private let state = Mutex(State())

        func finish(_ result: Result<Void, Status>) {
            let waiters = state.withLock { state -> [Completion<Void>] in
                state.result = result
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter(result) }
        }
        func whenFinished(_ done: @escaping Completion<Void>) {
            let result = state.withLock { state -> Result<Void, Status>? in
                if state.result == nil { state.waiters.append(done) }
                return state.result
            }
            if let result { done(result) }
        }
    }
}
