import Synchronization

/// How many calls may be broken off on one connection.
///
/// HTTP/2 servers take a client that resets many streams for an attack, and close the connection: swift-nio's at 200
/// in 30 seconds. A step that fails may leave more tensors waited for than that. Those beyond the budget are left to
/// end by themselves, as they do when the peer forgets the step.
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
