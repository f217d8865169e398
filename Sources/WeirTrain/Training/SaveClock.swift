import Synchronization

/// Says when so many seconds have passed since the last checkpoint.
final class SaveClock: Sendable {
    private let interval: Duration?
    private let last: Mutex<ContinuousClock.Instant>
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter seconds: the time from one checkpoint to the next; nil means that it is never time to save.
    init(seconds: Double?, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        // More than a century is never.
        interval = seconds.flatMap { $0 < 4e9 ? .seconds($0) : nil }
        self.now = now
        last = Mutex(now())
    }

    /// Whether it is time to save.
    var isDue: Bool {
        guard let interval else { return false }
        return last.withLock { now() - $0 >= interval }
    }

    /// Begins to count anew.
    func restart() { last.withLock { $0 = now() } }
}
