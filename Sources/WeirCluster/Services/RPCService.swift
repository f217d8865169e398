import GRPCCore
import WeirGraph
import WeirTensor

/// A gRPC service: a set of methods that it registers with a server's table.
protocol RPCService: Sendable {
    func register(with table: inout RPCTable)
}

extension RPCService {
    /// Starts an operation with a callback and waits for its result. The cancellation fires when the client cancels the call or
    /// disconnects, when the deadline passes, and when the server stops. The operation must call back then too.
    func awaitCompletion<T: Sendable>(
        on dispatch: StepDispatch, _ start: @escaping @Sendable (Cancellation, @escaping Completion<T>) -> Void
    ) async throws -> T {
        let cancellation = Cancellation()
        return try await cancelWithCall(cancellation) {
            try await withCheckedThrowingContinuation { continuation in
                dispatch { start(cancellation) { continuation.resume(with: $0) } }
            }
        }
    }

    /// Runs an async operation. The same cancellation fires as for `awaitCompletion`, and the operation's task is cancelled too.
    func awaitResult<T: Sendable>(_ body: @escaping @Sendable (Cancellation) async throws -> T) async throws -> T {
        let cancellation = Cancellation()
        let task = Task { try await body(cancellation) }
        let token = cancellation.register { task.cancel() }
        defer { if let token { cancellation.deregister(token) } }
        return try await cancelWithCall(cancellation) { try await task.value }
    }

    private func cancelWithCall<T: Sendable>(_ cancellation: Cancellation, _ body: () async throws -> T) async throws -> T {
        try await withTaskCancellationHandler {
            try await withRPCCancellationHandler { () async throws -> T in
                try await body()
            } onCancelRPC: {
                cancellation.cancel()
            }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
