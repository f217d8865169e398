// What a timeline consists of.
extension StepTimeline {
    /// What a node does in training.
    public enum Kind: String, Sendable, CaseIterable {
        /// Computes the model and its loss, or prepares its input: every node that is none of the following.
        case forward
        /// Computes gradients: a name scope of the node is `gradients`, as `GraphBuilder.gradients` and TensorFlow name it.
        case backward
        /// Changes a variable or another resource, as assignments and the updates of optimizers do.
        case update
        /// Sends or receives a tensor.
        case transfer
        /// Waits for other nodes, steps, tasks or clients, as ops of queues, barriers and collectives do.
        case wait
    }
    /// One run of a node.
    public struct Interval: Sendable, Hashable {
        /// The node's name.
        public var node: String
        /// The name of the node's op.
        public var op: String
        /// What the node does.
        public var kind: Kind
        /// When the kernel started.
        public let start: Int
        /// When the kernel ended; not before `start`.
        public let end: Int
        /// The size of all outputs in bytes.
        public var byteCount = 0
        /// The dtype and shape of each output, such as `float[2,3]`.
        public var outputs: [String] = []
        /// Names of the nodes whose results the node waited for.
        public var inputs: [String] = []
        /// Whether the node occupies no thread but waits: a receive, or kind `wait`.
        public var isWaiting = false
        /// The row of the lane. Intervals of one row do not overlap. Those that wait have rows of their own, after the others.
        public var track = 0

        /// Makes the run of a node. Here and below, times are moved into 1970…2116, and an end before the start to the start.
        public init(node: String, op: String, kind: Kind, start: Int, end: Int) {
            self.node = node
            self.op = op
            self.kind = kind
            (self.start, self.end) = StepTimeline.bounded(start, end)
        }

        /// Makes the same run at another time.
        fileprivate init(_ other: Interval, start: Int, end: Int) {
            self.init(node: other.node, op: other.op, kind: other.kind, start: start, end: end)
            (byteCount, outputs, inputs, isWaiting) = (other.byteCount, other.outputs, other.inputs, other.isWaiting)
        }
    }
    /// What one device did.
    public struct Lane: Sendable, Hashable {
        /// The task, such as `/job:worker/replica:0/task:0`.
        public var task: String
        /// The device in its task, such as `CPU:0`, or a stream of it, such as `GPU:0/stream:0`.
        public var device: String
        /// The runs of nodes by start.
        public private(set) var intervals: [Interval]
        /// The number of rows of intervals that occupy a thread.
        public private(set) var workTrackCount = 0
        /// The number of all rows.
        public private(set) var trackCount = 0

        /// Makes a lane, and gives its intervals rows.
        public init(task: String, device: String, intervals: [Interval]) {
            self.task = task
            self.device = device
            self.intervals = intervals
            assignTracks()
        }
    }
    /// The place of an interval.
    public struct Position: Sendable, Hashable {
        /// The index of the lane.
        public var lane: Int
        /// The index of the interval in its lane.
        public var interval: Int
        /// Makes a position.
        public init(_ lane: Int, _ interval: Int) {
            self.lane = lane
            self.interval = interval
        }
    }
    /// A tensor that moved from one device to another.
    public struct Arrow: Sendable, Hashable {
        /// The name of the tensor's edge: the same in the attributes of the send and of the receive.
        public var edge: String
        /// The send. Of a task that does not record its sends, as those of TensorFlow: the node whose tensor it is.
        public var source: Position
        /// The receive.
        public var target: Position
        /// The size of the tensor; 0 for a control edge.
        public let byteCount: Int
        /// When the bytes could begin to move: the send had run, and the receive had started to wait.
        public let start: Int
        /// When the receive ended.
        public let end: Int
        /// Makes an arrow.
        public init(edge: String, source: Position, target: Position, byteCount: Int, start: Int, end: Int) {
            self.edge = edge
            self.source = source
            self.target = target
            self.byteCount = max(byteCount, 0)
            (self.start, self.end) = StepTimeline.bounded(start, end)
        }
    }
    /// A send whose receive is not in the timeline, or a receive whose send is not. In the step of one of several clients, the other end
    /// of what a collective operation moved is in another client's timeline; `StepTimeline(merging:)` finds it.
    public struct TransferEnd: Sendable, Hashable {
        /// The name of the tensor's edge, as that of an arrow.
        public var edge: String
        /// Whether the interval is the send.
        public var isSend: Bool
        /// The send or the receive.
        public var position: Position
        /// The whole name of the device that sends, such as `/job:worker/replica:0/task:0/device:CPU:0`.
        public var source: String
        /// The whole name of the device that receives.
        public var destination: String
        /// Makes one end of a transfer.
        public init(edge: String, isSend: Bool, position: Position, source: String, destination: String) {
            self.edge = edge
            self.isSend = isSend
            self.position = position
            self.source = source
            self.destination = destination
        }
    }
    /// A call of a task by the master, by the master's clock.
    public struct Call: Sendable, Hashable {
        /// The master's task.
        public var caller: String
        /// The task that was called.
        public var callee: String
        /// When the master sent the call.
        public let start: Int
        /// When the master had the reply.
        public let end: Int
        /// Makes a call.
        public init(caller: String, callee: String, start: Int, end: Int) {
            self.caller = caller
            self.callee = callee
            (self.start, self.end) = StepTimeline.bounded(start, end)
        }
    }

    /// The timeline with all times of it so many nanoseconds earlier.
    func moved(earlierBy offset: Int) -> StepTimeline {
        guard offset != 0 else { return self }
        func moved(_ time: Int) -> Int {
            let (result, overflow) = time.subtractingReportingOverflow(offset)
            return overflow ? (offset > 0 ? 0 : .max) : result
        }
        let lanes = lanes.map { lane in
            Lane(
                task: lane.task, device: lane.device,
                intervals: lane.intervals.map { Interval($0, start: moved($0.start), end: moved($0.end)) })
        }
        var timeline = StepTimeline(
            lanes: lanes,
            arrows: arrows.map {
                Arrow(edge: $0.edge, source: $0.source, target: $0.target, byteCount: $0.byteCount, start: moved($0.start), end: moved($0.end))
            },
            unpairedEnds: unpairedEnds,
            calls: calls.map { Call(caller: $0.caller, callee: $0.callee, start: moved($0.start), end: moved($0.end)) },
            clockOffsets: clockOffsets, clockContradiction: clockContradiction)
        timeline.clocks = clocks
        timeline.spans = TimeRanges(
            union: spans.ranges.map { range in
                let (start, end) = StepTimeline.bounded(moved(range.lowerBound), moved(range.upperBound))
                return start..<end
            })
        return timeline
    }

    /// Limits times so that their differences do not overflow.
    private static func bounded(_ start: Int, _ end: Int) -> (Int, Int) {
        func limited(_ time: Int) -> Int { min(max(time, 0), Int.max / 2) }
        return (limited(start), max(limited(start), limited(end)))
    }
}

extension StepTimeline.Arrow {
    /// The arrow from a send to its receive.
    init(edge: String, from source: StepTimeline.Position, to target: StepTimeline.Position, in lanes: [StepTimeline.Lane]) {
        let (sent, received) = (lanes[source.lane].intervals[source.interval], lanes[target.lane].intervals[target.interval])
        self.init(
            edge: edge, source: source, target: target, byteCount: received.byteCount,
            start: min(max(sent.end, received.start), received.end), end: received.end)
    }

    /// The order of the arrows of a timeline: by arrival.
    static func < (a: StepTimeline.Arrow, b: StepTimeline.Arrow) -> Bool { (a.end, a.start, a.edge) < (b.end, b.start, b.edge) }
}

extension StepTimeline.Lane {
    /// Sorts the intervals, and gives each the first row that is free when it starts.
    fileprivate mutating func assignTracks() {
        // The longer of two that start together first: then a call of a function has the row above its body.
        intervals.sort { ($0.start, -$0.end, $0.node) < ($1.start, -$1.end, $1.node) }
        workTrackCount = assign(from: 0) { !$0.isWaiting }
        trackCount = workTrackCount + assign(from: workTrackCount) { $0.isWaiting }
    }

    private mutating func assign(from first: Int, _ isIncluded: (StepTimeline.Interval) -> Bool) -> Int {
        var ends: [Int] = []
        for index in intervals.indices where isIncluded(intervals[index]) {
            let row = ends.firstIndex { $0 <= intervals[index].start } ?? ends.count
            if row == ends.count { ends.append(0) }
            ends[row] = intervals[index].end
            intervals[index].track = first + row
        }
        return ends.count
    }
}
