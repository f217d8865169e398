/// How well a step used its devices and the links between them.
public struct StepUtilization: Sendable {
    /// How a device spent the step, from the start of the step's first kernel on any device to the end of its last. The three times
    /// add up to the duration of the step.
    public struct Device: Sendable, Hashable {
        /// The task, such as `/job:worker/replica:0/task:0`.
        public var task: String
        /// The device in its task, such as `CPU:0`.
        public var device: String
        /// Nanoseconds in which at least one kernel ran that was not waiting. A device that runs several kernels at once, as a CPU
        /// does, is not more than busy.
        public var busy: Int
        /// Nanoseconds in which it was not busy, and at least one node waited: a receive for its tensor, or an op for others.
        public var waiting: Int
        /// All other nanoseconds: the device had nothing to run and asked for nothing.
        public var idle: Int

        /// The share of the step in which the device was busy, 0…1; 0 for a step without duration.
        public var busyShare: Double { share(busy) }
        /// The share of the step in which the device waited, 0…1.
        public var waitingShare: Double { share(waiting) }
        /// The share of the step in which the device was idle, 0…1.
        public var idleShare: Double { share(idle) }
        /// The share of the step in which the device was not busy, 0…1: the bubble of a pipeline.
        public var bubbleShare: Double { share(waiting + idle) }
        private func share(_ time: Int) -> Double {
            let whole = busy + waiting + idle
            return whole == 0 ? 0 : Double(time) / Double(whole)
        }
    }
    /// What moved from one task to another, or between the devices of one task.
    public struct Link: Sendable, Hashable {
        /// The task that sent.
        public var source: String
        /// The task that received; the same as `source` for tensors between its devices.
        public var destination: String
        /// The number of tensors, control edges included.
        public var tensorCount: Int
        /// The sum of their sizes.
        public var byteCount: Int
        /// Nanoseconds in which at least one of them was moving: it had been sent, the receive waited, and it had not arrived.
        public var moving: Int
        /// Bytes per second while tensors were moving; 0 when none took any time.
        public var bandwidth: Double { moving == 0 ? 0 : Double(byteCount) / Double(moving) * 1e9 }
    }
    /// A run on the critical path.
    public struct Part: Sendable, Hashable {
        /// The node's name.
        public var node: String
        /// The name of the node's op.
        public var op: String
        /// The task of its device.
        public var task: String
        /// The device in its task, such as `CPU:0`.
        public var device: String
        /// How long the run is on the path, in nanoseconds.
        public var duration: Int
    }

    /// The duration of the step in nanoseconds. Of merged steps: the time in which at least one of them ran.
    public let duration: Int
    /// The devices in the order of the timeline's lanes.
    public let devices: [Device]
    /// The links that carried tensors, by source and destination.
    public let links: [Link]
    /// The chain that determined the duration.
    public let criticalPath: CriticalPath
    /// The longest runs on that chain, the longest first, at most five.
    public let longest: [Part]

    /// Computes how a step used its devices.
    public init(_ timeline: StepTimeline) {
        let duration = timeline.spans.duration
        self.duration = duration
        devices = timeline.lanes.map { lane in
            let busy = TimeRanges(union: lane.intervals.lazy.filter { !$0.isWaiting }.map { $0.start..<$0.end })
            let waiting = TimeRanges(union: lane.intervals.lazy.filter(\.isWaiting).map { $0.start..<$0.end }).subtracting(busy)
            return Device(
                task: lane.task, device: lane.device, busy: busy.duration, waiting: waiting.duration,
                idle: duration - busy.duration - waiting.duration)
        }
        let byLink = Dictionary(grouping: timeline.arrows) { [timeline.lanes[$0.source.lane].task, timeline.lanes[$0.target.lane].task] }
        links = byLink.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { tasks, arrows in
            Link(
                source: tasks[0], destination: tasks[1], tensorCount: arrows.count, byteCount: arrows.lazy.map(\.byteCount).saturatingSum,
                moving: TimeRanges(union: arrows.lazy.map { $0.start..<max($0.start, $0.end) }).duration)
        }
        let path = CriticalPath(timeline)
        criticalPath = path
        longest = path.steps.sorted { $0.duration > $1.duration }.prefix(5).map { step in
            let (lane, interval) = (timeline.lanes[step.position.lane], timeline.interval(step.position))
            return Part(node: interval.node, op: interval.op, task: lane.task, device: lane.device, duration: step.duration)
        }
    }
}

extension StepUtilization: CustomStringConvertible {
    /// The devices, the links and the longest parts of the critical path, one a line.
    public var description: String {
        func text(_ nanoseconds: Int) -> String { DurationText.text(nanoseconds: nanoseconds) }
        var lines = ["step of \(text(duration))"]
        for device in devices {
            lines.append(
                "  \(device.task)/\(device.device): busy \(DurationText.percent(device.busyShare)), waiting \(DurationText.percent(device.waitingShare)), "
                    + "idle \(DurationText.percent(device.idleShare))")
        }
        for link in links {
            lines.append(
                "  \(link.source) to \(link.destination): \(link.tensorCount) tensors, \(DurationText.text(byteCount: link.byteCount)) in \(text(link.moving))")
        }
        lines.append("  critical path of \(text(criticalPath.duration)), \(criticalPath.steps.count) runs; the longest:")
        lines += longest.map { "    \(text($0.duration)) \($0.node) (\($0.op)) on \($0.task)/\($0.device)" }
        return lines.joined(separator: "\n")
    }
}
