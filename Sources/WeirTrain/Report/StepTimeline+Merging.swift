extension StepTimeline {
    /// The bytes of tensors that moved from one task to another.
    var bytesBetweenTasks: Int {
        arrows.lazy.filter { lanes[$0.source.lane].task != lanes[$0.target.lane].task }.map(\.byteCount).saturatingSum
    }

    /// Puts steps that ran at the same time, of several clients of one training, on one timeline. A device that took part in
    /// several of them has one lane.
    ///
    /// Each timeline has the clock of its master. The masters' clocks are taken to agree, as those of one machine do.
    public init(merging timelines: [StepTimeline]) {
        struct Place: Hashable {
            let task: String
            let device: String
        }
        var order: [Place] = []
        var intervals: [Place: [Interval]] = [:]
        for lane in timelines.flatMap(\.lanes) {
            let place = Place(task: lane.task, device: lane.device)
            if intervals[place] == nil { order.append(place) }
            intervals[place, default: []] += lane.intervals
        }
        let lanes = order.map { Lane(task: $0.task, device: $0.device, intervals: intervals[$0] ?? []) }
        // A lane sorts its intervals, so that an interval is found by what it is.
        struct Key: Hashable {
            let node: String
            let start: Int
            let end: Int
        }
        var indices: [Place: [Key: Int]] = [:]
        for (place, lane) in zip(order, lanes) {
            for (index, interval) in lane.intervals.enumerated() {
                indices[place, default: [:]][Key(node: interval.node, start: interval.start, end: interval.end)] = index
            }
        }
        let laneIndex = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        var arrows: [Arrow] = []
        for timeline in timelines {
            func position(_ old: Position) -> Position? {
                let (lane, interval) = (timeline.lanes[old.lane], timeline.interval(old))
                let place = Place(task: lane.task, device: lane.device)
                guard let index = indices[place]?[Key(node: interval.node, start: interval.start, end: interval.end)], let lane = laneIndex[place] else {
                    return nil
                }
                return Position(lane, index)
            }
            for arrow in timeline.arrows {
                guard let source = position(arrow.source), let target = position(arrow.target) else { continue }
                arrows.append(Arrow(edge: arrow.edge, source: source, target: target, byteCount: arrow.byteCount, start: arrow.start, end: arrow.end))
            }
        }
        self.init(
            lanes: lanes, arrows: arrows.sorted { $0.end < $1.end }, calls: timelines.flatMap(\.calls),
            clockOffsets: timelines.reduce(into: [:]) { $0.merge($1.clockOffsets) { first, _ in first } },
            clockContradiction: timelines.map(\.clockContradiction).max() ?? 0)
    }
}
