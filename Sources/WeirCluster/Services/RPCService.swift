import GRPCCore
import WeirGraph
import WeirTensor

/// A set of methods.
protocol RPCService: Sendable {
    func register(with table: inout RPCTable)
}

extension RPCService {
    /// Waits for what an endpoint calls back with. The cancellation fires when the caller goes away or its deadline passes,
    /// and when this server stops; the endpoint must call back then too.
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

    /// As above, for an endpoint's async function: its task is cancelled as well.
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
