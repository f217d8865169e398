import Testing
import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Timelines of steps")
struct StepTimelineTests {
    private static let worker = "/job:worker/replica:0/task:0"
    private static let server = "/job:ps/replica:0/task:0"

    private func time(
        _ node: String, _ op: String, on task: String, _ start: Int, _ end: Int, inputs: [String] = [], transfer: NodeTime.Transfer? = nil,
        shape: Shape? = nil
    ) -> NodeTime {
        var time = NodeTime(
            node: node, op: op, device: "\(task)/device:CPU:0", start: start, end: end, outputBytes: shape.map { [$0.elementCount * 4] } ?? [],
            outputTypes: shape == nil ? [] : [.float32], outputShapes: shape.map { [$0] } ?? [])
        time.inputs = inputs
        time.transfer = transfer
        return time
    }

    /// A step in which a worker receives a variable, computes, and sends a gradient back. The clock of the server is `skew` ahead.
    private func metadata(skew: Int, clock: String = "") -> RunMetadata {
        let base = 5_000_000_000
        func onServer(_ time: Int) -> Int { base + time + skew }
        let (there, back) = ("edge_1_w", "edge_2_g")
        var metadata = RunMetadata(times: [
            time("w", "VariableV2", on: Self.server, onServer(1_000), onServer(1_100), shape: [2, 3]),
            time(
                "w/_S1", "_Send", on: Self.server, onServer(1_200), onServer(1_250), inputs: ["w"],
                transfer: .init(edge: there, peer: Self.worker + "/device:CPU:0")),
            time(
                "g/_S4", "_Recv", on: Self.server, onServer(900), onServer(5_500), transfer: .init(edge: back, peer: Self.worker + "/device:CPU:0"),
                shape: [2, 3]),
            time("train/update", "ApplyGradientDescent", on: Self.server, onServer(5_600), onServer(6_000), inputs: ["w", "g/_S4", "^w:0"], shape: [2, 3]),
            time(
                "w/_S2", "_Recv", on: Self.worker, base + 800, base + 2_000, transfer: .init(edge: there, peer: Self.server + "/device:CPU:0"), shape: [2, 3]),
            time("dense/MatMul", "MatMul", on: Self.worker, base + 2_100, base + 3_000, inputs: ["w/_S2:0"], shape: [2]),
            time("gradients/dense/grad", "MatMul", on: Self.worker, base + 3_100, base + 4_000, inputs: ["dense/MatMul"], shape: [2, 3]),
            time(
                "g/_S3", "_Send", on: Self.worker, base + 4_100, base + 4_150, inputs: ["gradients/dense/grad"],
                transfer: .init(edge: back, peer: Self.server + "/device:CPU:0")),
            time("wait", "QueueDequeueV2", on: Self.worker, base + 800, base + 900),
        ])
        metadata.calls = [
            StepCall(
                caller: .init(task: Self.worker, clock: clock), callee: .init(task: Self.server, clock: clock), sent: base + 100, arrived: onServer(500),
                answered: onServer(6_100), returned: base + 6_700)
        ]
        return metadata
    }

    @Test("the lanes are the devices, and the times of all are those of the master's clock within the bound", arguments: [0, 3_000_000_000, -3_000_000_000])
    func lanes(_ skew: Int) throws {
        let timeline = StepTimeline(metadata(skew: skew))
        #expect(timeline.lanes.map { "\($0.task)/\($0.device)" } == ["\(Self.server)/CPU:0", "\(Self.worker)/CPU:0"])
        #expect(timeline.lanes[0].intervals.map(\.node) == ["g/_S4", "w", "w/_S1", "train/update"])
        let offset = try #require(timeline.clockOffsets[Self.server])
        let bound = try #require(offset.errorBound)
        #expect(abs(offset.nanoseconds - skew) <= bound && bound <= 800)
        #expect(timeline.clockErrorBound == bound)
        #expect(timeline.calls == [.init(caller: Self.worker, callee: Self.server, start: 5_000_000_100, end: 5_000_006_700)])
        #expect(abs(timeline.start - 5_000_000_800) <= bound && abs(timeline.end - 5_000_006_000) <= bound)
    }

    @Test("a tensor goes from its send to its receive, with its bytes, and never back in time", arguments: [0, 3_000_000_000, -3_000_000_000])
    func arrows(_ skew: Int) throws {
        let timeline = StepTimeline(metadata(skew: skew))
        #expect(timeline.arrows.map(\.edge) == ["edge_1_w", "edge_2_g"])
        #expect(timeline.arrows.map(\.byteCount) == [24, 24])
        #expect(timeline.arrows.map { timeline.interval($0.source).node } == ["w/_S1", "g/_S3"])
        #expect(timeline.arrows.map { timeline.interval($0.target).node } == ["w/_S2", "g/_S4"])
        for arrow in timeline.arrows {
            #expect(timeline.interval(arrow.source).start <= arrow.end && arrow.start <= arrow.end)
        }
    }

    @Test("the critical path goes back over both tasks to the first node", arguments: [0, 3_000_000_000, -3_000_000_000])
    func path(_ skew: Int) {
        let timeline = StepTimeline(metadata(skew: skew))
        let path = CriticalPath(timeline)
        #expect(
            path.steps.map { timeline.interval($0.position).node } == [
                "w", "w/_S1", "w/_S2", "dense/MatMul", "gradients/dense/grad", "g/_S3", "g/_S4", "train/update",
            ])
        let sameClock = StepTimeline(metadata(skew: 0, clock: "boot 1"))
        let steps = CriticalPath(sameClock).steps
        #expect(steps.map(\.duration) == [100, 50, 750, 900, 900, 50, 1350, 400] && steps.map(\.delay) == [0, 100, 0, 100, 100, 100, 0, 100])
        #expect(sameClock.duration - CriticalPath(sameClock).duration == 200, "the worker waits before the server's first node runs")
    }

    @Test("a tensor of a task that records no sends comes from the node that made it")
    func impliedTransfers() {
        // As a server and a worker of TensorFlow record it.
        let edge = "edge_4_v/read"
        let times = [
            time("v", "VariableV2", on: Self.server, 100, 110), time("v/read", "Identity", on: Self.server, 110, 120, inputs: ["v"]),
            time(
                "RecvTensor/\(edge)", "_Recv", on: Self.worker, 50, 200, transfer: .init(edge: edge, peer: Self.server + "/device:CPU:0"), shape: [1000]),
            time("y", "Neg", on: Self.worker, 210, 220, inputs: ["v/read_S1"]), time("z", "Neg", on: Self.worker, 225, 230, inputs: ["y", "other_S7"]),
        ]
        let timeline = StepTimeline(RunMetadata(times: times))
        #expect(timeline.arrows.map { [timeline.interval($0.source).node, timeline.interval($0.target).node] } == [["v/read", "RecvTensor/\(edge)"]])
        #expect(timeline.arrows.map(\.byteCount) == [4000] && timeline.unpairedEnds.isEmpty)
        #expect(timeline.lanes[1].intervals.map(\.inputs) == [[], ["RecvTensor/\(edge)"], ["y", "other_S7"]])
        let path = CriticalPath(timeline).steps.map { timeline.interval($0.position).node }
        #expect(path == ["v", "v/read", "RecvTensor/\(edge)", "y", "z"])
    }

    @Test("a send whose inputs are not recorded waited for the node that its edge names")
    func impliedInputs() {
        let times = [
            time("x", "Neg", on: Self.worker, 0, 10),
            time("x/_1", "_Send", on: Self.worker, 11, 12, transfer: .init(edge: "edge_5_x", peer: Self.server + "/device:CPU:0")),
        ]
        #expect(StepTimeline(RunMetadata(times: times)).lanes[0].intervals.map(\.inputs) == [[], ["x"]])
    }

    @Test("tasks that read one clock are not corrected")
    func oneClock() {
        let timeline = StepTimeline(metadata(skew: 0, clock: "boot 1"))
        #expect(timeline.clockOffsets[Self.server] == ClockAlignment.Offset(nanoseconds: 0, errorBound: 0))
        #expect(timeline.clockNote == nil && timeline.start == 5_000_000_800 && timeline.duration == 5_200)
        let arrow = timeline.arrows[0]
        #expect(arrow.start == 5_000_001_250 && arrow.end == 5_000_002_000)
    }

    @Test("a task that says it reads the master's clock, but cannot, is aligned")
    func sameID() throws {
        let timeline = StepTimeline(metadata(skew: 3_000_000_000, clock: "boot 1"))
        let offset = try #require(timeline.clockOffsets[Self.server])
        #expect(try abs(offset.nanoseconds - 3_000_000_000) <= #require(offset.errorBound))
        #expect(timeline.clockOffsets[Self.worker] == ClockAlignment.Offset(nanoseconds: 0, errorBound: 0))
    }

    @Test("nodes are forward, backward, updates, transfers or waits by their ops and scopes")
    func kinds() {
        let all = StepTimeline(metadata(skew: 0)).lanes.flatMap(\.intervals)
        let kinds = Dictionary(all.map { ($0.node, $0.kind) }, uniquingKeysWith: { first, _ in first })
        #expect(kinds["dense/MatMul"] == .forward && kinds["gradients/dense/grad"] == .backward && kinds["train/update"] == .update)
        #expect(kinds["w/_S1"] == .transfer && kinds["w/_S2"] == .transfer && kinds["wait"] == .wait)
        #expect(all.filter(\.isWaiting).map(\.node).sorted() == ["g/_S4", "w/_S2", "wait"])
        #expect(all.first { $0.node == "train/update" }?.inputs == ["w", "g/_S4", "w"])
        #expect(all.first { $0.node == "dense/MatMul" }?.outputs == ["float[2]"])
    }

    @Test("in a loop the k-th receive to end belongs to the k-th send to start")
    func loop() {
        let (source, destination) = (Self.server + "/device:CPU:0", Self.worker + "/device:CPU:0")
        let sends = [30, 10, 20].map { time("s", "_Send", on: Self.server, $0, $0 + 1, transfer: .init(edge: "e", peer: destination)) }
        let receives = [(5, 12), (6, 35), (7, 22)].map { time("r", "_Recv", on: Self.worker, $0, $1, transfer: .init(edge: "e", peer: source)) }
        var metadata = RunMetadata(times: sends + receives)
        metadata.calls = [
            StepCall(
                caller: .init(task: Self.worker, clock: "c"), callee: .init(task: Self.server, clock: "c"), sent: 0, arrived: 0, answered: 40, returned: 40)
        ]
        let timeline = StepTimeline(metadata)
        #expect(timeline.arrows.map { [timeline.interval($0.source).start, timeline.interval($0.target).end] } == [[10, 12], [20, 22], [30, 35]])
    }

    /// The step of one client, whose worker sends 8 bytes to the worker of another and receives 12 from it, three times in a loop.
    /// - Parameter skew: how much the worker's clock is ahead; the workers say that they read one clock if it is nil.
    private func member(_ number: Int, runs: Int, skew: Int? = nil) -> StepTimeline {
        let task = "/job:worker/replica:0/task:\(number)", peer = "/job:worker/replica:0/task:\(1 - number)/device:CPU:0"
        let times = (0..<runs).flatMap { run -> [NodeTime] in
            let transfer = NodeTime.Transfer(edge: "collective_1_1_\(run / 2)", peer: peer), start = 100 * run + 10 * number + (skew ?? 0)
            return [
                time("sum/_send_\(1 - number)", "_Send", on: task, start, start + 1, transfer: transfer, shape: [2]),
                time("sum/_recv_\(1 - number)", "_Recv", on: task, start, start + 20, transfer: transfer, shape: [3]),
            ]
        }
        let feed = time("w/_1", "_Recv", on: task, skew ?? 0, (skew ?? 0) + 1, transfer: .init(edge: "w:0", peer: task + "/device:CPU:0"))
        var metadata = RunMetadata(times: times + [feed])
        if skew == nil {
            let party = StepCall.Party(task: task, clock: "boot 1")
            metadata.calls = [StepCall(caller: party, callee: party, sent: 0, arrived: 0, answered: 500, returned: 500)]
        }
        return StepTimeline(metadata)
    }

    @Test("what one client's worker sends to that of another becomes an arrow when their timelines are merged")
    func merging() throws {
        let timelines = [member(0, runs: 3), member(1, runs: 3)]
        // The receive of a feed, which a device passes to itself, is no end of a transfer.
        #expect(timelines.allSatisfy { $0.arrows.isEmpty && $0.unpairedEnds.count == 6 && $0.bytesBetweenTasks == 36 })
        let merged = StepTimeline(merging: timelines)
        #expect(merged.arrows.count == 6 && merged.unpairedEnds.isEmpty && merged.bytesBetweenTasks == 72)
        for arrow in merged.arrows {
            let (send, receive) = (merged.interval(arrow.source), merged.interval(arrow.target))
            #expect(arrow.source.lane != arrow.target.lane && abs(send.start - receive.start) == 10 && arrow.byteCount == 12)
            #expect(arrow.start == max(send.end, receive.start) && arrow.end == receive.end)
        }
        #expect(StepUtilization(merged).links.map(\.byteCount) == [36, 36])
        // Merging what is merged changes nothing.
        #expect(StepTimeline(merging: [merged]).arrows == merged.arrows)
    }

    @Test("the clocks of two masters are aligned by what their workers sent each other", arguments: [5_000, 0])
    func mergedClocks(_ skew: Int) {
        let merged = StepTimeline(merging: [member(0, runs: 3, skew: 0), member(1, runs: 3, skew: skew)])
        // Each send is 10 before or after the other, and each receive takes 20.
        #expect(merged.clockOffsets["/job:worker/replica:0/task:1"] == ClockAlignment.Offset(nanoseconds: skew + 10, errorBound: 20))
        #expect(merged.arrows.count == 6 && merged.lanes[1].intervals.map(\.start) == merged.lanes[0].intervals.map(\.start))
    }

    @Test("ends that no client traced stay without the other end")
    func unpaired() {
        let merged = StepTimeline(merging: [member(0, runs: 3), member(1, runs: 2)])
        #expect(merged.arrows.count == 4 && merged.bytesBetweenTasks == 36 + 24)
        #expect(merged.unpairedEnds.map(\.edge) == ["collective_1_1_1", "collective_1_1_1"])
        #expect(merged.unpairedEnds.map(\.isSend) == [true, false])
        #expect(merged.unpairedEnds.allSatisfy { merged.lanes[$0.position.lane].task == Self.worker })
        #expect(StepTimeline(merging: [merged, member(1, runs: 0)]).unpairedEnds == merged.unpairedEnds)
    }

    @Test("runs that overlap are on different rows, and waits have rows of their own")
    func tracks() {
        func run(_ start: Int, _ end: Int, waits: Bool = false) -> StepTimeline.Interval {
            var run = StepTimeline.Interval(node: "n\(start)", op: "Neg", kind: .forward, start: start, end: end)
            run.isWaiting = waits
            return run
        }
        let lane = StepTimeline.Lane(
            task: "t", device: "CPU:0", intervals: [run(20, 30), run(0, 100, waits: true), run(0, 10), run(5, 15), run(10, 20), run(12, 13)])
        #expect(lane.intervals.map(\.start) == [0, 0, 5, 10, 12, 20])
        #expect(lane.intervals.map(\.track) == [3, 0, 1, 0, 2, 0])
        #expect(lane.workTrackCount == 3 && lane.trackCount == 4)
    }

    @Test("the lanes of streams and of names that are no devices are kept")
    func names() {
        var times = ["/job:w/replica:0/task:1/device:GPU:0/stream:0", "/job:w/replica:0/task:1/device:GPU:0", "<odd>", "/job:w/replica:0/task:1/device:CPU:0"]
            .map { NodeTime(node: "n", op: "Neg", device: $0, start: 1, end: 2) }
        times.append(NodeTime(node: "n", op: "NoSuchOp", device: "/job:w/replica:0/task:0/device:CPU:0", start: 1, end: 2))
        let lanes = StepTimeline(RunMetadata(times: times)).lanes
        #expect(
            lanes.map { "\($0.task) \($0.device)" } == [
                "<odd> <odd>", "/job:w/replica:0/task:0 CPU:0", "/job:w/replica:0/task:1 CPU:0", "/job:w/replica:0/task:1 GPU:0",
                "/job:w/replica:0/task:1 GPU:0/stream:0",
            ])
    }

    @Test("an empty step has an empty timeline, and the largest times do not overflow")
    func extremes() {
        let empty = StepTimeline(RunMetadata())
        #expect(empty.lanes.isEmpty && empty.duration == 0 && empty.description == "StepTimeline: 0 node runs on 0 devices in 0.0 µs, 0 tensors moved")
        _ = (empty.chromeTrace(), empty.svg(), StepUtilization(empty).description)
        var metadata = metadata(skew: 0)
        for index in metadata.times.indices { metadata.times[index].start = index % 2 == 0 ? .min : .max }
        for index in metadata.times.indices { metadata.times[index].end = index % 2 == 0 ? .max : .min }
        metadata.times.append(NodeTime(node: "n", op: "Neg", device: "d", start: .max, end: .min, outputBytes: [.max, .max]))
        metadata.calls[0].arrived = .min
        metadata.calls[0].returned = .max
        let timeline = StepTimeline(metadata)
        #expect(timeline.lanes.flatMap(\.intervals).allSatisfy { $0.start <= $0.end && $0.byteCount >= 0 })
        _ = (timeline.chromeTrace(), timeline.svg(), StepUtilization(timeline).description)
    }
}
