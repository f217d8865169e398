import GRPCCore
import Synchronization

/// The calls in flight of a server, so that it can cancel all of them.
final class OpenCalls: Sendable {
    private struct State {
        var calls: [Int: ServerContext.RPCCancellationHandle] = [:]
        var next = 0
        var areCancelled = false
    }
    private let state = Mutex(State())

    /// Adds a call.
    /// - Returns: the number to pass to `end`.
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

    /// Cancels all calls, and all that are added later.
    func cancel() {
        let calls = state.withLock { state in
            state.areCancelled = true
            return Array(state.calls.values)
        }
        for call in calls { call.cancel() }
    }
}
