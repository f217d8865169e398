/// The chain of node runs and transfers that ended last and that nothing but its own parts delayed.
///
/// It begins, from behind, with the run that ended last. Before each run stands what that run waited for last: of the nodes that
/// it depends on, the latest run that had ended when it started; for a receive, its send, if that ended after the receive began to
/// wait; for a collective operation, the last of its receives. So the path goes from device to device and from task to task. The
/// time between the two is time in which the run could start and did not: its thread was busy, or it was being scheduled. All these
/// times add up to the time from the start of the first run to the end of the last.
///
/// What no record names ends the path: a feed comes from the client, and a queue's element from any step.
public struct CriticalPath: Sendable {
    /// One run on the path.
    public struct Step: Sendable, Hashable {
        /// The run.
        public var position: StepTimeline.Position
        /// How long the path waited before the run started, in nanoseconds.
        public var delay: Int
        /// When the run begins to be on the path, on the timeline's clock: when it started, but for a run that waits not before what
        /// it waited for had ended.
        public var start: Int
        /// How long the run is on the path, in nanoseconds: all of it, but for a receive from the end of its send.
        public var duration: Int
    }
    /// The runs from first to last.
    public let steps: [Step]
    /// The time from the start of the first run to the end of the last, in nanoseconds.
    public var duration: Int { steps.reduce(0) { $0 + $1.delay + $1.duration } }

    /// Finds the path. The time is O(e log n) for `n` runs and `e` dependencies.
    public init(_ timeline: StepTimeline) {
        let runs = PathRuns(timeline)
        guard var position = runs.last else {
            steps = []
            return
        }
        var steps: [Step] = []
        var visited: Set<StepTimeline.Position> = []
        var cursor = runs.end(position)
        while visited.insert(position).inserted {
            let run = timeline.interval(position)
            let before = runs.predecessor(of: position)
            let previousEnd = before.map { runs.end($0) }
            // A run that waits is on the path from when what it waits for was on its way.
            let start = min(cursor, run.isWaiting ? max(run.start, previousEnd ?? run.start) : run.start)
            let end = min(start, previousEnd ?? start)
            steps.append(Step(position: position, delay: start - end, start: start, duration: cursor - start))
            cursor = end
            guard let before, !visited.contains(before) else { break }
            position = before
        }
        // Nothing is before the first run. If that would close a circle of runs at one instant, its delay is not of the path.
        if !steps.isEmpty { steps[steps.count - 1].delay = 0 }
        self.steps = steps.reversed()
    }
}
