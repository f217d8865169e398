import GRPCCore
import Synchronization

/// The calls that have not been answered, to be cancelled together.
final class OpenCalls: Sendable {
    private struct State {
        var calls: [Int: ServerContext.RPCCancellationHandle] = [:]
        var next = 0
        var areCancelled = false
    }
    private let state = Mutex(State())

    /// - Returns: what `end` is to be told.
    func begin(_ call: ServerContext.RPCCancellationHandle) -> Int {
        let (number, isCancelled) = state.withLock { state in
            state.next += 1
            state.calls[state.next] = call
            return (state.next, state.areCancelled)
        }
        if isCancelled { call.cancel() }
        return number
    }
    func end(_ number: Int) { state.withLock { _ = $0.calls.removeValue(forKey: number) } }

    /// Cancels them, and those that are still to come.
    func cancel() {
        let calls = state.withLock { state in
            state.areCancelled = true
            return Array(state.calls.values)
        }
        for call in calls { call.cancel() }
    }
}
