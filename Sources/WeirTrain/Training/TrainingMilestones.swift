/// The numbers of updates at which training evaluates the model, and at which it saves its state: multiples of two intervals.
struct TrainingMilestones: Sendable {
    /// At least 1; nil for none.
    let evaluationInterval: Int?
    /// At least 1; nil for none.
    let checkpointInterval: Int?

    /// Whether a multiple of the interval is after `last` and not after `count`.
    private static func isReached(_ interval: Int?, after last: Int, at count: Int) -> Bool {
        interval.map { count / $0 > last / $0 } ?? false
    }

    func evaluates(after last: Int, at count: Int) -> Bool { TrainingMilestones.isReached(evaluationInterval, after: last, at: count) }
    func saves(after last: Int, at count: Int) -> Bool { TrainingMilestones.isReached(checkpointInterval, after: last, at: count) }

    /// The first milestone after `count` and before `end`; `end` if there is none.
    func next(after count: Int, before end: Int) -> Int {
        [evaluationInterval, checkpointInterval].compactMap { interval in
            guard let interval else { return nil }
            let (step, overflow) = (count / interval + 1).multipliedReportingOverflow(by: interval)
            return overflow ? nil : step
        }.reduce(end, min)
    }

    /// The first number of updates after `count` at which the state is saved, `end` at the latest.
    func nextSave(after count: Int, before end: Int) -> Int {
        TrainingMilestones(evaluationInterval: nil, checkpointInterval: checkpointInterval).next(after: count, before: end)
    }
}
