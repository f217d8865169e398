public import WeirCluster
public import WeirGraph
public import WeirOps

/// What the devices of all tasks did in one traced step, on one clock.
///
/// ```swift
/// let reply = try await session.run(fetches: ["loss:0"], options: RunOptions(traces: true))
/// if let timeline = reply.timeline {
///     print(StepUtilization(timeline))
///     try timeline.chromeTrace().write(toFile: "step.json", atomically: true, encoding: .utf8)  // for ui.perfetto.dev
///     try timeline.svg(title: "one step").write(toFile: "step.svg", atomically: true, encoding: .utf8)
/// }
/// ```
/// Times are nanoseconds since 1970 of the reference clock, which is the master's; of several merged steps, that of the first one's
/// master. See `ClockAlignment` for the clocks of other tasks.
public struct StepTimeline: Sendable {
    /// What each device did: by job, task, type and index.
    public let lanes: [Lane]
    /// The tensors that moved, by the time of their arrival.
    public let arrows: [Arrow]
    /// The sends and receives whose other end is not in the timeline.
    public let unpairedEnds: [TransferEnd]
    /// The master's calls. Empty when the master is TensorFlow's, or in a session without tasks.
    public let calls: [Call]
    /// How the clock of each task differed from the reference, by task. The times of intervals are corrected by it.
    public let clockOffsets: [String: ClockAlignment.Offset]
    /// By how many nanoseconds what is known of the clocks contradicts itself; see `ClockAlignment`.
    public let clockContradiction: Int
    /// The start of the first kernel. 0 when there are no intervals.
    public let start: Int
    /// The end of the last kernel.
    public let end: Int
    /// The clocks of the tasks. A timeline that is made of its parts has none, and is taken to have that of others like it.
    var clocks = ClockNames()
    /// When the steps ran that are on the timeline. Several if steps were merged that ran at different times.
    var spans: TimeRanges

    /// Makes a timeline of its parts. Arrows and ends of transfers that are not at intervals are dropped.
    public init(
        lanes: [Lane], arrows: [Arrow] = [], unpairedEnds: [TransferEnd] = [], calls: [Call] = [], clockOffsets: [String: ClockAlignment.Offset] = [:],
        clockContradiction: Int = 0
    ) {
        func exists(_ position: Position) -> Bool {
            lanes.indices.contains(position.lane) && lanes[position.lane].intervals.indices.contains(position.interval)
        }
        self.lanes = lanes
        self.arrows = arrows.filter { exists($0.source) && exists($0.target) }
        self.unpairedEnds = unpairedEnds.filter { exists($0.position) }
        self.calls = calls
        self.clockOffsets = clockOffsets
        self.clockContradiction = clockContradiction
        start = lanes.lazy.flatMap(\.intervals).map(\.start).min() ?? 0
        end = lanes.lazy.flatMap(\.intervals).map(\.end).max() ?? 0
        spans = TimeRanges(union: [start..<end])
    }

    /// Makes the timeline of a step that was run with `RunOptions.traces`.
    /// - Parameters:
    ///   - metadata: what the step recorded. Masters and workers may be TensorFlow's.
    ///   - registry: tells what the nodes' ops do. An op that it does not have is taken to compute.
    public init(_ metadata: RunMetadata, registry: OpRegistry = .standard) {
        self = TimelineBuilder(metadata, registry: registry).timeline()
    }

    /// The time from the start of the first kernel to the end of the last one, in nanoseconds.
    public var duration: Int { end - start }
    /// Times of different tasks are within so many nanoseconds of the reference; nil when that is not known of a task.
    public var clockErrorBound: Int? {
        clockOffsets.values.reduce(0) { bound, offset in bound.flatMap { bound in offset.errorBound.map { max(bound, $0) } } }
    }
    /// The number of runs of nodes.
    public var intervalCount: Int { lanes.reduce(0) { $0 + $1.intervals.count } }

    /// The interval at a position of this timeline.
    package func interval(_ position: Position) -> Interval { lanes[position.lane].intervals[position.interval] }
}

extension RunStepReply {
    /// What the devices did in the step; nil if it was run without `RunOptions.traces` and `RunOptions.returnsPartitionGraphs`.
    public var timeline: StepTimeline? { metadata.map { StepTimeline($0) } }
}

extension StepTimeline: CustomStringConvertible {
    /// The size: `StepTimeline: 12 node runs on 2 devices in 3.4 ms, 5 tensors moved`. When clocks differ, also by how much the
    /// times may be wrong.
    public var description: String {
        "StepTimeline: \(intervalCount) node runs on \(lanes.count) devices in \(DurationText.text(nanoseconds: duration)), \(arrows.count) tensors moved"
            + notes.map { "; \($0)" }.joined()
    }

    /// What one must know of the times to read them; empty for a step of tasks that read one clock.
    var notes: [String] { [clockNote, unalignedNote, spansNote].compactMap { $0 } }

    /// Says that steps were merged that did not run at one time.
    private var spansNote: String? {
        spans.ranges.count > 1 ? "the steps of the clients ran at \(spans.ranges.count) different times" : nil
    }

    /// Says that the clocks of merged steps are taken to agree.
    private var unalignedNote: String? {
        let count = clocks.unaligned.count
        guard count > 0 else { return nil }
        return count == 1
            ? "the clock of 1 client is not aligned: nothing bounds how it differs from the first one"
            : "the clocks of \(count) clients are not aligned: nothing bounds how they differ from the first one"
    }

    /// How exact the times are; nil when all tasks read one clock.
    var clockNote: String? {
        guard clockOffsets.values.contains(where: { $0.nanoseconds != 0 || $0.errorBound != 0 }) else { return nil }
        guard let bound = clockErrorBound else { return clocks.unaligned.isEmpty ? "clocks of tasks aligned, with unknown error" : nil }
        return "clocks of tasks aligned within ±\(DurationText.text(nanoseconds: bound))"
    }
}
