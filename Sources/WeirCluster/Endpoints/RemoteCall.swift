import WeirGraph
import WeirTensor

/// Ways to run an async RPC that a `Cancellation` ends.
enum RemoteCall {
    /// Starts an RPC for a caller with a callback.
    /// - Parameters:
    ///   - leavesRunning: asked when the cancellation fires. True leaves the RPC to end by itself. In both cases `done` is called
    ///     at once.
    ///   - cancelled: returns the status for `done` when the cancellation fires.
    static func start<T: Sendable>(
        _ cancellation: Cancellation, leavesRunning: @escaping @Sendable () -> Bool = { false },
        cancelled: @escaping @Sendable () -> Status = { Status.cancelled("The call was cancelled").derived },
        _ done: @escaping Completion<T>, _ body: @escaping @Sendable () async throws -> T
    ) {
        let once = Once(done)
        let call = CancellableTask()
        let token = cancellation.register {
            if !leavesRunning() { call.cancel() }
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

    /// Runs an RPC and waits for its result, or until the cancellation or the calling task is cancelled. Then it does not wait for the
    /// transport, which may hold a cancelled call until the peer can be reached.
    static func awaitResult<T: Sendable>(
        _ cancellation: Cancellation, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        // Its own: a cancelled caller must not cancel what else the other one stands for.
        let call = Cancellation()
        let token = cancellation.register { call.cancel() }
        if token == nil { call.cancel() }
        defer { if let token { cancellation.deregister(token) } }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                start(call, { continuation.resume(with: $0) }, body)
            }
        } onCancel: {
            call.cancel()
        }
    }
}
