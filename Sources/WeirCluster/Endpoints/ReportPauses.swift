/// The pauses between reports of a wait: reports come 1, 2, 4, 8, … seconds after the wait began, and every minute later.
struct ReportPauses: Sequence, IteratorProtocol {
    private static let maximum = Duration.seconds(60)
    private var pause = Duration.seconds(1)
    private var elapsed = Duration.zero

    /// Returns the time to wait for the next report; never nil.
    mutating func next() -> Duration? {
        defer {
            elapsed += pause
            pause = Swift.min(elapsed, ReportPauses.maximum)
        }
        return pause
    }
}

extension Task where Success == Void, Failure == Never {
    /// Calls `report` 1, 2, 4, 8, … seconds from now, later every minute, until the task is cancelled.
    package static func reporting(_ report: @escaping @Sendable () -> Void) -> Task<Void, Never> {
        Task.detached {
            for pause in ReportPauses() {
                guard (try? await Task<Never, Never>.sleep(for: pause)) != nil else { return }
                report()
            }
        }
    }
}
