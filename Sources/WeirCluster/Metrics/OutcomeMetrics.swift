import Metrics
import WeirTensor

/// Counts steps or partitions by their status code, and records their durations.
struct OutcomeMetrics: Sendable {
    /// The counters by the raw value of the code; OK is 0.
    private let counters: [Counter]
    private let duration: Timer

    init(_ maker: InstrumentMaker, counter: String, duration: String) {
        let last = Status.Code.allCases.map(\.rawValue).max() ?? 0
        counters = (0...last).map { maker.counter(counter, ("code", Status.Code(rawValue: $0)?.description ?? "OK")) }
        self.duration = maker.timer(duration)
    }

    /// Counts a result and records the time since `start`.
    func record<T>(_ result: Result<T, Status>, since start: ContinuousClock.Instant) {
        duration.record(duration: .now - start)
        switch result {
        case .success: counters[0].increment()
        case .failure(let status): count(status)
        }
    }

    /// Counts a failure of something that has not begun, so that it has no duration.
    func count(_ failure: Status) { counters[Int(failure.code.rawValue)].increment() }
}
