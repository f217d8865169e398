import Synchronization

/// A task that may be cancelled before it is started.
final class CancellableTask: Sendable {
    private struct State {
        var isCancelled = false
        var task: Task<Void, Never>?
    }
    private let state = Mutex(State())

    func run(_ body: @escaping @Sendable () async -> Void) {
        let task = Task.detached(operation: body)
        let isCancelled = state.withLock { state in
            state.task = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    func cancel() {
        state.withLock { state in
            state.isCancelled = true
            return state.task
        }?.cancel()
    }
}
