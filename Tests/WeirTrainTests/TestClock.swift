import Synchronization

/// A clock that a test sets.
final class TestClock: Sendable {
    private let seconds = Mutex(0.0)
    var time: Double { seconds.withLock { $0 } }
    func advance(by interval: Double) { seconds.withLock { $0 += interval } }
}
