/// The runs of each node of each device, for finding what a run waited for.
struct PathRuns {
    private struct Key: Hashable {
        let task: String
        let device: Substring
        let node: Substring
    }
    private let timeline: StepTimeline
    /// By end.
    private let positions: [Key: [StepTimeline.Position]]
    /// What collective operations received, by the node of the operation, and by end.
    private let parts: [Key: [StepTimeline.Position]]
    /// The send of each receive.
    private let sources: [StepTimeline.Position: StepTimeline.Position]
    /// When the tensor of each send had arrived.
    private let arrivals: [StepTimeline.Position: Int]
    /// The run that ended last.
    private(set) var last: StepTimeline.Position? = nil

    init(_ timeline: StepTimeline) {
        let arrivals = Dictionary(timeline.arrows.map { ($0.source, $0.end) }, uniquingKeysWith: { max($0, $1) })
        self.timeline = timeline
        self.arrivals = arrivals
        sources = Dictionary(timeline.arrows.map { ($0.target, $0.source) }, uniquingKeysWith: { first, _ in first })
        var positions: [Key: [StepTimeline.Position]] = [:]
        var parts: [Key: [StepTimeline.Position]] = [:]
        for (number, lane) in timeline.lanes.enumerated() {
            for (index, interval) in lane.intervals.enumerated() {
                let position = StepTimeline.Position(number, index)
                positions[PathRuns.key(lane, interval.node[...]), default: []].append(position)
                if interval.kind == .transfer, interval.isWaiting, let owner = PathRuns.owner(of: interval) {
                    parts[PathRuns.key(lane, owner), default: []].append(position)
                }
            }
        }
        func byEnd(_ runs: [StepTimeline.Position]) -> [StepTimeline.Position] {
            runs.map { (PathRuns.end($0, timeline, arrivals), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        self.positions = positions.mapValues(byEnd)
        self.parts = parts.mapValues(byEnd)
        last = latest { arrivals[$0] == nil } ?? latest { _ in true }
    }

    /// When a run had given what others wait for. A send may be recorded after its tensor has arrived.
    func end(_ position: StepTimeline.Position) -> Int { PathRuns.end(position, timeline, arrivals) }

    private static func end(_ position: StepTimeline.Position, _ timeline: StepTimeline, _ arrivals: [StepTimeline.Position: Int]) -> Int {
        let run = timeline.interval(position)
        guard let arrival = arrivals[position] else { return run.end }
        return max(run.start, min(run.end, arrival))
    }

    /// The last run that the run at the position waited for.
    func predecessor(of position: StepTimeline.Position) -> StepTimeline.Position? {
        let lane = timeline.lanes[position.lane]
        let run = lane.intervals[position.interval]
        var candidates = inputs(of: run, in: lane).compactMap { lastRun(positions[PathRuns.key(lane, $0[...])], endedBy: run.start) }
        if let source = sources[position] { candidates.append(source) }
        // The receives of a collective operation lie in its run.
        if run.kind == .wait, let part = lastRun(parts[PathRuns.key(lane, run.node[...])], endedBy: run.end), timeline.interval(part).start >= run.start {
            candidates.append(part)
        }
        return candidates.max { end($0) < end($1) }
    }

    /// What a run depends on. What a collective operation sends and receives depends on what the operation does.
    private func inputs(of run: StepTimeline.Interval, in lane: StepTimeline.Lane) -> [String] {
        guard run.inputs.isEmpty, run.kind == .transfer, let owner = PathRuns.owner(of: run),
            let position = positions[PathRuns.key(lane, owner)]?.first, timeline.interval(position).kind == .wait
        else { return run.inputs }
        return timeline.interval(position).inputs
    }

    /// The last of runs by end that had ended at a time.
    private func lastRun(_ runs: [StepTimeline.Position]?, endedBy time: Int) -> StepTimeline.Position? {
        guard let runs else { return nil }
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if end(runs[middle]) <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : runs[low - 1]
    }

    private func latest(_ isIncluded: (StepTimeline.Position) -> Bool) -> StepTimeline.Position? {
        var latest: StepTimeline.Position?
        for (number, lane) in timeline.lanes.enumerated() {
            for index in lane.intervals.indices {
                let position = StepTimeline.Position(number, index)
                if isIncluded(position), latest.map({ end($0) < end(position) }) ?? true { latest = position }
            }
        }
        return latest
    }

    /// The streams of a device run the nodes of its graph too.
    private static func key(_ lane: StepTimeline.Lane, _ node: Substring) -> Key {
        Key(task: lane.task, device: lane.device.prefix { $0 != "/" }, node: node)
    }

    /// The node of a collective operation by the name of one of its transfers: `sum` for `sum/_recv_1`.
    private static func owner(of transfer: StepTimeline.Interval) -> Substring? {
        guard let slash = transfer.node.lastIndex(of: "/"), slash > transfer.node.startIndex else { return nil }
        return transfer.node[transfer.node.index(after: slash)...].first == "_" ? transfer.node[..<slash] : nil
    }
}
