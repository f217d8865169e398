import WeirTensor

extension StepTimeline {
    /// The bytes of tensors that tasks received from others. The timeline of one of several clients has what the tasks of the other
    /// clients sent to its own, so the sum over the clients has each tensor once.
    var bytesBetweenTasks: Int {
        let paired = arrows.lazy.filter { lanes[$0.source.lane].task != lanes[$0.target.lane].task }.map(\.byteCount)
        let unpaired = unpairedEnds.lazy.filter { !$0.isSend && $0.sourceTask != lanes[$0.position.lane].task }.map { interval($0.position).byteCount }
        return [paired.saturatingSum, unpaired.saturatingSum].saturatingSum
    }

    /// Puts steps that ran at the same time, of several clients of one training, on one timeline. A device that took part in
    /// several of them has one lane. What a collective operation moved from the tasks of one client to those of another is an arrow.
    ///
    /// Each timeline has the clock of its master, and all get that of the first one's: see `MergedClocks`. Each step stays at its
    /// time. If some did not overlap with others, as those of asynchronous clients may, the description says so.
    public init(merging timelines: [StepTimeline]) {
        let clocks = MergedClocks(timelines)
        let timelines = zip(timelines, clocks.offsets).map { $0.moved(earlierBy: $1.nanoseconds) }
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
        var ends: [TransferEnd] = []
        for timeline in timelines {
            func position(_ old: Position) -> Position? {
                let (lane, interval) = (timeline.lanes[old.lane], timeline.interval(old))
                let place = Place(task: lane.task, device: lane.device)
                guard let index = indices[place]?[Key(node: interval.node, start: interval.start, end: interval.end)], let lane = laneIndex[place] else {
                    return nil
                }
                return Position(lane, index)
            }
            for var arrow in timeline.arrows {
                guard let source = position(arrow.source), let target = position(arrow.target) else { continue }
                (arrow.source, arrow.target) = (source, target)
                arrows.append(arrow)
            }
            for var end in timeline.unpairedEnds {
                guard let position = position(end.position) else { continue }
                end.position = position
                ends.append(end)
            }
        }
        let (pairs, unpaired) = TransferPairing.pairs(of: ends) { lanes[ends[$0].position.lane].intervals[ends[$0].position.interval] }
        arrows += pairs.map { Arrow(edge: ends[$0.send].edge, from: ends[$0.send].position, to: ends[$0.receive].position, in: lanes) }
        self.init(
            lanes: lanes, arrows: arrows.sorted(by: <), unpairedEnds: unpaired.map { ends[$0] }, calls: timelines.flatMap(\.calls),
            clockOffsets: clocks.taskOffsets(timelines), clockContradiction: max(clocks.contradiction, timelines.map(\.clockContradiction).max() ?? 0))
        self.clocks = clocks.names
        spans = TimeRanges(union: timelines.flatMap(\.spans.ranges))
    }
}

extension StepTimeline.TransferEnd {
    /// The task of the device that sends, as lanes name it.
    fileprivate var sourceTask: String { (try? DeviceName(source))?.taskName.description ?? source }
}
