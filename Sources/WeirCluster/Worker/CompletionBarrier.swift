import Synchronization
import WeirTensor

/// Waits for several results. It fails with the first failure that is not derived, or else with the first one.
final class CompletionBarrier<T: Sendable>: Sendable {
    private struct State {
        var results: [T?]
        var left: Int
        var failure: Status?
    }
    private let state: Mutex<State>
    private let done: Completion<[T]>

    /// - Parameter done: called once, with the results in order. Called before this returns if the count is 0.
    init(_ count: Int, _ done: @escaping Completion<[T]>) {
        state = Mutex(State(results: [T?](repeating: nil, count: count), left: count))
        self.done = done
        if count == 0 { done(.success([])) }
    }

    func finish(_ index: Int, _ result: Result<T, Status>) {
        let outcome = state.withLock { state -> Result<[T], Status>? in
            switch result {
            case .success(let value): state.results[index] = value
            case .failure(let status):
                if state.failure == nil || (state.failure?.isDerived == true && !status.isDerived) { state.failure = status }
            }
            state.left -= 1
            guard state.left == 0 else { return nil }
            return state.failure.map { .failure($0) } ?? .success(state.results.compactMap { $0 })
        }
        if let outcome { done(outcome) }
    }
}
