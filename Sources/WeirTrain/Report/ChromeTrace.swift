/// A timeline in the trace event format, which ui.perfetto.dev and chrome://tracing show.
///
/// Processes are tasks, threads are rows of devices: a device has several where runs of nodes overlap, and its waits have rows of
/// their own. Flows lead from sends to receives. A counter of each task has the bytes that move to it. The master's calls are a
/// thread of its task. Time 0 is the first event. Equal timelines give equal text.
struct ChromeTrace {
    private let timeline: StepTimeline
    private let origin: Int
    /// Process ids by task, in the order of the lanes.
    private var processes: [String: Int] = [:]
    private var tasks: [String] = []

    /// A row of a device, or of calls.
    private struct Thread {
        let process: Int
        /// Unique in the trace.
        let id: Int
        let name: String
    }
    private typealias Members = [(name: String, value: String)]

    init(_ timeline: StepTimeline) {
        self.timeline = timeline
        origin = min(timeline.start, timeline.calls.lazy.map(\.start).min() ?? timeline.start)
        for task in timeline.lanes.map(\.task) + timeline.calls.map(\.caller) where processes[task] == nil {
            tasks.append(task)
            processes[task] = tasks.count
        }
    }

    /// The trace as JSON.
    func json() -> String {
        var (threads, slices): ([Thread], [String]) = ([], [])
        /// The thread of each row of each lane.
        var rows: [[Int]] = []
        for lane in timeline.lanes {
            rows.append((0..<lane.trackCount).map { threads.count + $0 + 1 })
            for row in 0..<lane.trackCount {
                let isWaiting = row >= lane.workTrackCount
                let number = isWaiting ? row - lane.workTrackCount : row
                let name = lane.device + (isWaiting ? " waits" : "") + (number == 0 ? "" : " (\(number + 1))")
                threads.append(Thread(process: processes[lane.task] ?? 0, id: threads.count + 1, name: name))
            }
        }
        for (lane, rows) in zip(timeline.lanes, rows) { slices += lane.intervals.map { slice($0, in: lane, thread: rows[$0.track]) } }
        for (call, row) in callRows() {
            let name = "RunGraph calls" + (row == 0 ? "" : " (\(row + 1))")
            let process = processes[call.caller] ?? 0
            let known = threads.last { $0.process == process && $0.name == name }
            let thread = known ?? Thread(process: process, id: threads.count + 1, name: name)
            if known == nil { threads.append(thread) }
            slices.append(slice(call, thread))
        }
        let names = tasks.flatMap { processEvents($0) } + threads.flatMap { threadEvents($0) }
        let events = names + slices + flows(rows) + counters()
        return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + events.joined(separator: ",\n") + "\n]}\n"
    }

    private func event(_ phase: String, process: Int, thread: Int, _ members: Members) -> String {
        JSONText.object([("ph", JSONText.string(phase)), ("pid", "\(process)"), ("tid", "\(thread)")] + members)
    }
    private func time(_ nanoseconds: Int) -> String { JSONText.microseconds(nanoseconds - origin) }

    private func processEvents(_ task: String) -> [String] {
        let process = processes[task] ?? 0
        var description = task
        if let offset = timeline.clockOffsets[task], offset.nanoseconds != 0 || offset.errorBound != 0 {
            let bound = offset.errorBound.map { "±\(DurationText.text(nanoseconds: $0))" } ?? "error unknown"
            description += " (clock corrected by \(DurationText.text(nanoseconds: -offset.nanoseconds)), \(bound))"
        }
        return [
            metadata("process_name", process: process, thread: 0, ("name", JSONText.string(description))),
            metadata("process_sort_index", process: process, thread: 0, ("sort_index", "\(process)")),
        ]
    }

    private func threadEvents(_ thread: Thread) -> [String] {
        [
            metadata("thread_name", process: thread.process, thread: thread.id, ("name", JSONText.string(thread.name))),
            metadata("thread_sort_index", process: thread.process, thread: thread.id, ("sort_index", "\(thread.id)")),
        ]
    }

    private func metadata(_ name: String, process: Int, thread: Int, _ argument: (name: String, value: String)) -> String {
        event("M", process: process, thread: thread, [("name", JSONText.string(name)), ("args", JSONText.object([argument]))])
    }

    private func slice(_ interval: StepTimeline.Interval, in lane: StepTimeline.Lane, thread: Int) -> String {
        var arguments: Members = [("node", JSONText.string(interval.node)), ("op", JSONText.string(interval.op)), ("bytes", "\(interval.byteCount)")]
        arguments += interval.outputs.enumerated().map { ("output \($0)", JSONText.string($1)) }
        arguments += interval.inputs.enumerated().map { ("input \($0)", JSONText.string($1)) }
        return event(
            "X", process: processes[lane.task] ?? 0, thread: thread,
            [
                ("ts", time(interval.start)), ("dur", JSONText.microseconds(interval.end - interval.start)),
                ("name", JSONText.string(interval.op.isEmpty ? interval.node : interval.op)), ("cat", JSONText.string(interval.kind.rawValue)),
                ("args", JSONText.object(arguments)),
            ])
    }

    private func slice(_ call: StepTimeline.Call, _ thread: Thread) -> String {
        event(
            "X", process: thread.process, thread: thread.id,
            [
                ("ts", time(call.start)), ("dur", JSONText.microseconds(call.end - call.start)),
                ("name", JSONText.string("RunGraph")), ("cat", JSONText.string("call")),
                ("args", JSONText.object([("task", JSONText.string(call.callee))])),
            ])
    }

    /// Each call with the first row of its caller that is free when it starts.
    private func callRows() -> [(StepTimeline.Call, Int)] {
        var ends: [String: [Int]] = [:]
        return timeline.calls.map { call in
            var rows = ends[call.caller] ?? []
            let row = rows.firstIndex { $0 <= call.start } ?? rows.count
            if row == rows.count { rows.append(0) }
            rows[row] = call.end
            ends[call.caller] = rows
            return (call, row)
        }
    }

    /// The two ends of each arrow. A viewer binds an end to the slice of its thread that contains the time, so the end of a receive
    /// is its last nanosecond.
    private func flows(_ rows: [[Int]]) -> [String] {
        timeline.arrows.enumerated().flatMap { number, arrow -> [String] in
            func end(_ phase: String, _ position: StepTimeline.Position, at instant: Int, _ more: Members = []) -> String {
                let thread = rows[position.lane][timeline.interval(position).track]
                let members: Members = [
                    ("ts", time(instant)), ("id", "\(number + 1)"), ("name", JSONText.string(arrow.edge)), ("cat", JSONText.string("tensor")),
                ]
                return event(phase, process: processes[timeline.lanes[position.lane].task] ?? 0, thread: thread, members + more)
            }
            let received = timeline.interval(arrow.target)
            return [
                end("s", arrow.source, at: timeline.interval(arrow.source).start, [("args", JSONText.object([("bytes", "\(arrow.byteCount)")]))]),
                end("f", arrow.target, at: max(received.start, received.end - 1), [("bp", JSONText.string("e"))]),
            ]
        }
    }

    /// The bytes that move to each task from others, at each change.
    private func counters() -> [String] {
        var changes: [Int: [Int: Int]] = [:]
        for arrow in timeline.arrows {
            let (source, target) = (timeline.lanes[arrow.source.lane].task, timeline.lanes[arrow.target.lane].task)
            guard source != target, arrow.start < arrow.end, let process = processes[target] else { continue }
            changes[process, default: [:]][arrow.start, default: 0] &+= arrow.byteCount
            changes[process, default: [:]][arrow.end, default: 0] &-= arrow.byteCount
        }
        return changes.sorted { $0.key < $1.key }.flatMap { process, changes -> [String] in
            var moving = 0
            return changes.sorted { $0.key < $1.key }.map { instant, change in
                moving &+= change
                return event(
                    "C", process: process, thread: 0,
                    [("ts", time(instant)), ("name", JSONText.string("bytes moving here")), ("args", JSONText.object([("bytes", "\(moving)")]))])
            }
        }
    }
}

extension StepTimeline {
    /// This timeline in Chrome's trace event format, as JSON. ui.perfetto.dev and chrome://tracing show it: tasks are processes,
    /// devices are threads, and tensors that moved are flows.
    public func chromeTrace() -> String { ChromeTrace(self).json() }
}
