import WeirGraph
import WeirTensor

/// Connects a `Cancellation` with async calls to another task.
enum RemoteCall {
    /// Starts an async call for a caller that waits for a callback; the cancellation ends it.
    ///
    /// - Parameter lingers: asked when the cancellation fires: whether the call is left to end by itself. The caller is
    ///   told at once that it was cancelled either way.
    /// - Parameter cancelled: what it is told then.
    static func start<T: Sendable>(
        _ cancellation: Cancellation, lingers: @escaping @Sendable () -> Bool = { false },
        cancelled: @escaping @Sendable () -> Status = { Status.cancelled("The call was cancelled").derived },
        _ done: @escaping Completion<T>, _ body: @escaping @Sendable () async throws -> T
    ) {
        let once = Once(done)
        let call = CancellableTask()
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
    static func awaitResult<T: Sendable>(
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
}
