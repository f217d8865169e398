import Synchronization
import WeirGraph
import WeirTensor

/// Starts an async call for a caller that waits for a callback; the cancellation ends it.
///
/// - Parameter lingers: asked when the cancellation fires: whether the call is left to end by itself. The caller is
///   told at once that it was cancelled either way.
/// - Parameter cancelled: what it is told then.
func start<T: Sendable>(
    _ cancellation: Cancellation, lingers: @escaping @Sendable () -> Bool = { false },
    cancelled: @escaping @Sendable () -> Status = { Status.cancelled("The call was cancelled").derived },
    _ done: @escaping Completion<T>, _ body: @escaping @Sendable () async throws -> T
) {
    let once = Once(done)
    let call = CancellableCall()
    let token = cancellation.register {
        if !lingers() { call.cancel() }
        once.finish(.failure(cancelled()))
    }
    guard let token else { return once.finish(.failure(cancelled())) }
    call.run {
        let result: Result<T, Status>
        do { result = .success(try await body()) } catch { result = .failure(Status(anyError: error)) }
        cancellation.deregister(token)
        once.finish(result)
    }
}

/// As `start`, for a caller that waits itself.
func cancellable<T: Sendable>(
    _ cancellation: Cancellation, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    let task = Task { try await body() }
    guard let token = cancellation.register({ task.cancel() }) else {
        task.cancel()
        throw Status.cancelled("The call was cancelled").derived
    }
    defer { cancellation.deregister(token) }
    return try await withTaskCancellationHandler {
        try await task.value
    } onCancel: {
        task.cancel()
    }
}

/// A task that may be cancelled before it is made.
private final class CancellableCall: Sendable {
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
