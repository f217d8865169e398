/// The chain of node runs and transfers that ended last and that nothing but its own parts delayed.
///
/// It begins, from behind, with the run that ended last. Before each run stands what that run waited for last: of the nodes that
/// it depends on, the latest run that had ended when it started; for a receive, its send. The time between the two is time in
/// which the run could start and did not: its thread was busy, or it was being scheduled. All these times add up to the
/// time from the start of the first run to the end of the last.
public struct CriticalPath: Sendable {
    /// One run on the path.
    public struct Step: Sendable, Hashable {
        /// The run.
        public var position: StepTimeline.Position
        /// How long the path waited before the run started, in nanoseconds.
        public var delay: Int
        /// How long the run is on the path, in nanoseconds: all of it, but for a receive from the end of its send.
        public var duration: Int
    }
    /// The runs from first to last.
    public let steps: [Step]
    /// The time from the start of the first run to the end of the last, in nanoseconds.
    public var duration: Int { steps.reduce(0) { $0 + $1.delay + $1.duration } }

    /// Finds the path. The time is O(e log n) for `n` runs and `e` dependencies.
    public init(_ timeline: StepTimeline) {
        let runs = Runs(timeline)
        guard var position = runs.last else {
            steps = []
            return
        }
        let sources = Dictionary(timeline.arrows.map { ($0.target, $0.source) }, uniquingKeysWith: { first, _ in first })
        var steps: [Step] = []
        var visited: Set<StepTimeline.Position> = []
        var cursor = timeline.interval(position).end
        while visited.insert(position).inserted {
            let run = timeline.interval(position)
            let source = sources[position]
            let before = source ?? runs.predecessor(of: position)
            let previousEnd = before.map { timeline.interval($0).end }
            // A send may be recorded after its tensor has arrived.
            let start = min(cursor, source == nil ? run.start : previousEnd ?? run.start)
            let end = min(start, previousEnd ?? start)
            steps.append(Step(position: position, delay: start - end, duration: cursor - start))
            cursor = end
            guard let before, !visited.contains(before) else { break }
            position = before
        }
        // Nothing is before the first run. If that would close a circle of runs at one instant, its delay is not of the path.
        if !steps.isEmpty { steps[steps.count - 1].delay = 0 }
        self.steps = steps.reversed()
    }

    /// The runs of each node of each device, for finding what a run waited for.
    private struct Runs {
        private struct Key: Hashable {
            let task: String
            let device: Substring
            let node: String
        }
        private let timeline: StepTimeline
        /// By end.
        private var positions: [Key: [StepTimeline.Position]] = [:]
        private(set) var last: StepTimeline.Position?

        init(_ timeline: StepTimeline) {
            self.timeline = timeline
            for (number, lane) in timeline.lanes.enumerated() {
                for (index, interval) in lane.intervals.enumerated() {
                    let position = StepTimeline.Position(number, index)
                    positions[Runs.key(lane, interval.node), default: []].append(position)
                    if last.map({ timeline.interval($0).end < interval.end }) ?? true { last = position }
                }
            }
            for key in positions.keys { positions[key]?.sort { timeline.interval($0).end < timeline.interval($1).end } }
        }

        /// The streams of a device run the nodes of its graph too.
        private static func key(_ lane: StepTimeline.Lane, _ node: String) -> Key {
            Key(task: lane.task, device: lane.device.prefix { $0 != "/" }, node: node)
        }

        /// The last run that the run at the position waited for.
        func predecessor(of position: StepTimeline.Position) -> StepTimeline.Position? {
            let lane = timeline.lanes[position.lane]
            let run = lane.intervals[position.interval]
            return run.inputs.compactMap { input -> StepTimeline.Position? in
                guard let runs = positions[Runs.key(lane, input)] else { return nil }
                var (low, high) = (0, runs.count)
                while low < high {
                    let middle = (low + high) / 2
                    if timeline.interval(runs[middle]).end <= run.start { low = middle + 1 } else { high = middle }
                }
                return low == 0 ? nil : runs[low - 1]
            }.max { timeline.interval($0).end < timeline.interval($1).end }
        }
    }
}
