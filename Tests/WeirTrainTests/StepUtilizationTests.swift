import Testing

@testable import WeirTrain

@Suite("Utilization of devices and links")
struct StepUtilizationTests {
    private func run(_ node: String, _ start: Int, _ end: Int, after inputs: [String] = [], waits: Bool = false) -> StepTimeline.Interval {
        var run = StepTimeline.Interval(node: node, op: "Op", kind: waits ? .transfer : .forward, start: start, end: end)
        run.inputs = inputs
        run.isWaiting = waits
        return run
    }

    /// Two tasks: `a` computes, sends, and computes on; `b` waits for it, and then computes until the end.
    private var timeline: StepTimeline {
        StepTimeline(
            lanes: [
                .init(
                    task: "a", device: "CPU:0",
                    intervals: [run("x", 100, 140), run("y", 120, 150, after: ["x"]), run("send", 155, 156, after: ["x"]), run("z", 190, 195, after: ["y"])]),
                .init(
                    task: "b", device: "CPU:0",
                    intervals: [run("receive", 110, 170, waits: true), run("u", 130, 135), run("v", 175, 200, after: ["receive", "u"])]),
            ],
            arrows: [.init(edge: "e", source: .init(0, 2), target: .init(1, 0), byteCount: 1000, start: 156, end: 170)])
    }

    @Test("a device is busy, waiting or idle at each time of the step")
    func devices() {
        let utilization = StepUtilization(timeline)
        #expect(utilization.duration == 100)
        // 100…150, 155…156 and 190…195.
        #expect(utilization.devices[0] == .init(task: "a", device: "CPU:0", busy: 56, waiting: 0, idle: 44))
        // Busy 130…135 and 175…200; waiting 110…130 and 135…170.
        #expect(utilization.devices[1] == .init(task: "b", device: "CPU:0", busy: 30, waiting: 55, idle: 15))
        #expect(utilization.devices[1].bubbleShare == 0.7 && utilization.devices[1].busyShare == 0.3)
    }

    @Test("the tensors of a link are counted, and moving while they had been sent and not received")
    func links() {
        let utilization = StepUtilization(timeline)
        #expect(utilization.links == [.init(source: "a", destination: "b", tensorCount: 1, byteCount: 1000, moving: 14)])
        #expect(abs(utilization.links[0].bandwidth - 1000 / 14e-9) <= 1)
    }

    @Test("the critical path goes from the last run back through what each waited for last")
    func path() {
        let timeline = timeline
        let path = StepUtilization(timeline).criticalPath
        #expect(path.steps.map { timeline.interval($0.position).node } == ["x", "send", "receive", "v"])
        // `send` could start at 140, and `v` at 170.
        #expect(path.steps.map(\.delay) == [0, 15, 0, 5] && path.steps.map(\.duration) == [40, 1, 14, 25])
        #expect(path.duration == 100)
    }

    @Test("a send that is recorded after its tensor has arrived does not end the path")
    func lateSend() {
        let timeline = StepTimeline(
            lanes: [
                .init(task: "a", device: "CPU:0", intervals: [run("x", 0, 10), run("send", 10, 100, after: ["x"])]),
                .init(task: "b", device: "CPU:0", intervals: [run("receive", 5, 30, waits: true), run("v", 31, 50, after: ["receive"])]),
            ],
            arrows: [.init(edge: "e", source: .init(0, 1), target: .init(1, 0), byteCount: 1, start: 30, end: 30)])
        let path = CriticalPath(timeline)
        #expect(path.steps.map { timeline.interval($0.position).node } == ["x", "send", "receive", "v"])
        #expect(path.steps.map(\.duration) == [10, 20, 0, 19] && path.steps.map(\.delay) == [0, 0, 0, 1])
        #expect(path.steps.map(\.start) == [0, 10, 30, 31])
    }

    @Test("a receive that was asked for late waited for what its task did before")
    func lateReceive() {
        let timeline = StepTimeline(
            lanes: [
                .init(task: "a", device: "CPU:0", intervals: [run("x", 0, 10), run("send", 10, 11, after: ["x"])]),
                .init(
                    task: "b", device: "CPU:0",
                    intervals: [run("merge", 0, 40), run("receive", 42, 50, after: ["merge"], waits: true), run("v", 50, 60, after: ["receive"])]),
            ],
            arrows: [.init(edge: "e", source: .init(0, 1), target: .init(1, 1), byteCount: 1, start: 42, end: 50)])
        let path = CriticalPath(timeline)
        #expect(path.steps.map { timeline.interval($0.position).node } == ["merge", "receive", "v"])
        #expect(path.steps.map(\.duration) == [40, 8, 10] && path.steps.map(\.delay) == [0, 2, 0])
    }

    @Test("the path of a collective operation goes to the member that was late")
    func collective() {
        func sum(_ start: Int, _ end: Int, after input: String) -> StepTimeline.Interval {
            var sum = StepTimeline.Interval(node: "sum", op: "CollectiveReduce", kind: .wait, start: start, end: end)
            (sum.inputs, sum.isWaiting) = ([input], true)
            return sum
        }
        func send(_ peer: Int, _ start: Int, _ end: Int) -> StepTimeline.Interval {
            StepTimeline.Interval(node: "sum/_send_\(peer)", op: "_Send", kind: .transfer, start: start, end: end)
        }
        let timeline = StepTimeline(
            lanes: [
                .init(
                    task: "a", device: "CPU:0",
                    intervals: [
                        run("x", 0, 10), sum(11, 50, after: "x"), run("sum/_recv_1", 12, 45, waits: true), send(1, 12, 13), run("y", 51, 60, after: ["sum"]),
                    ]),
                .init(
                    task: "b", device: "CPU:0",
                    intervals: [run("late", 0, 40), sum(41, 50, after: "late"), run("sum/_recv_0", 42, 48, waits: true), send(0, 42, 43)]),
            ],
            arrows: [
                .init(edge: "c", source: .init(1, 3), target: .init(0, 2), byteCount: 1, start: 43, end: 45),
                .init(edge: "c", source: .init(0, 3), target: .init(1, 2), byteCount: 1, start: 42, end: 48),
            ])
        let path = CriticalPath(timeline)
        #expect(path.steps.map { timeline.interval($0.position).node } == ["late", "sum/_send_0", "sum/_recv_1", "sum", "y"])
        #expect(path.steps.map(\.duration) == [40, 1, 2, 5, 9] && path.steps.map(\.delay) == [0, 2, 0, 0, 1])
        #expect(path.duration == timeline.duration)
    }

    @Test("in a loop the path takes the runs that had ended")
    func loop() {
        let runs = (0..<5).flatMap { [run("body", $0 * 10, $0 * 10 + 4, after: ["next"]), run("next", $0 * 10 + 5, $0 * 10 + 9, after: ["body"])] }
        let timeline = StepTimeline(lanes: [.init(task: "a", device: "CPU:0", intervals: runs)])
        let path = CriticalPath(timeline)
        #expect(path.steps.count == 10 && path.duration == 49)
        #expect(path.steps.dropFirst().allSatisfy { $0.delay == 1 && $0.duration == 4 })
    }

    @Test("the parts of a path add up, whatever the order of the times")
    func anyTimes() {
        var generator = SplitMix(seed: 3)
        for _ in 0..<200 {
            let runs = (0..<20).map { number -> StepTimeline.Interval in
                let start = Int.random(in: 0...30, using: &generator)
                let inputs = (0..<3).map { _ in "n\(Int.random(in: 0..<20, using: &generator))" }
                return run("n\(number)", start, start + Int.random(in: 0...5, using: &generator), after: inputs, waits: number % 4 == 0)
            }
            let lanes = [
                StepTimeline.Lane(task: "a", device: "CPU:0", intervals: Array(runs[..<10])), .init(task: "b", device: "CPU:0", intervals: Array(runs[10...])),
            ]
            let arrows = (0..<4).map { _ in
                StepTimeline.Arrow(
                    edge: "e", source: .init(0, Int.random(in: 0..<10, using: &generator)), target: .init(1, Int.random(in: 0..<10, using: &generator)),
                    byteCount: 1, start: 0, end: 1)
            }
            let timeline = StepTimeline(lanes: lanes, arrows: arrows)
            let path = CriticalPath(timeline)
            #expect(path.steps.allSatisfy { $0.delay >= 0 && $0.duration >= 0 })
            #expect(path.duration <= timeline.duration)
            for device in StepUtilization(timeline).devices {
                #expect(device.busy + device.waiting + device.idle == timeline.duration && min(device.busy, device.waiting, device.idle) >= 0)
            }
        }
    }

    @Test("sets of instants are united and subtracted")
    func ranges() {
        let a = TimeRanges(union: [5..<9, 0..<3, 2..<4, 4..<5, 20..<20])
        #expect(a.ranges == [0..<9] && a.duration == 9)
        let b = TimeRanges(union: [0..<10, 20..<30, 40..<50])
        #expect(b.subtracting(TimeRanges(union: [2..<4, 8..<22, 25..<26, 29..<45])).ranges == [0..<2, 4..<8, 22..<25, 26..<29, 45..<50])
        #expect(b.subtracting(b).ranges.isEmpty && b.subtracting(TimeRanges(union: [])) == b)
    }

    @Test("a report names devices, links and the longest parts of the path")
    func text() {
        let text = StepUtilization(timeline).description
        #expect(text.hasPrefix("step of 0.1 µs\n  a/CPU:0: busy 56 %, waiting 0 %, idle 44 %\n"))
        #expect(text.contains("  a to b: 1 tensors, 1.0 kB in 0.0 µs\n") && text.hasSuffix("0.0 µs send (Op) on a/CPU:0"))
    }
}
