import Synchronization

/// A limit on how many calls are reset on one connection.
///
/// HTTP/2 servers take a client that resets many streams for an attacker and close the connection: swift-nio's do so at 200
/// resets in 30 seconds. A failed step may wait for more tensors than that. Calls beyond the limit are not reset; they end when
/// the peer drops the step.
final class ResetBudget: Sendable {
    private struct State {
        var windowStart = ContinuousClock.now
        var count = 0
    }
    private static let window = Duration.seconds(30)
    private static let limit = 100
    private let state = Mutex(State())

    func take() -> Bool {
        state.withLock { state in
            let now = ContinuousClock.now
            if now - state.windowStart > ResetBudget.window { state = State(windowStart: now) }
            state.count += 1
            return state.count <= ResetBudget.limit
        }
    }
}
