import Metrics

/// Counts the requests that wait now, and records how long each has waited.
struct WaitMetrics: Sendable {
    private let waiting: Meter
    private let duration: Timer

    init(_ maker: InstrumentMaker, waiting: String, duration: String) {
        self.waiting = maker.meter(waiting)
        self.duration = maker.timer(duration)
    }

    func begin() { waiting.increment() }
    func end(since start: ContinuousClock.Instant) {
        waiting.decrement()
        duration.record(duration: .now - start)
    }
}
