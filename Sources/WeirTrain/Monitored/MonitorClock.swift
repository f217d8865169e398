import Synchronization
import WeirTensor

/// The time by which monitored sessions and their hooks wait and measure. Tests have one that they advance.
struct MonitorClock: Sendable {
    /// The time since a moment that stays the same. It never goes back.
    let now: @Sendable () -> Duration
    /// Waits. Throws at once when the Swift task is cancelled.
    let sleep: @Sendable (Duration) async throws -> Void

    /// The system's.
    static let continuous: MonitorClock = {
        let start = ContinuousClock.now
        return MonitorClock(now: { ContinuousClock.now - start }, sleep: { try await Task.sleep(for: $0.bounded) })
    }()

    /// Runs an operation, and cancels it after this time. Returns when the operation ends, which must be soon after it is cancelled.
    /// - Returns: what the operation returned, and whether it was cancelled because the time was over.
    func run<T: Sendable>(within limit: Duration, _ operation: @escaping @Sendable () async -> T) async -> (value: T, isLate: Bool) {
        let isLate = SharedFlag()
        let work = Task { await operation() }
        let timer = Task { [sleep] in
            guard (try? await sleep(limit)) != nil else { return }
            isLate.set()
            work.cancel()
        }
        let value = await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
        timer.cancel()
        return (value, isLate.isSet)
    }
}

/// A flag that one task sets and another reads.
final class SharedFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
