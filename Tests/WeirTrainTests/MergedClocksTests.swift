import Testing
import WeirCluster
import WeirTensor

@testable import WeirTrain

@Suite("Clocks of several masters")
struct MergedClocksTests {
    private static let server = "/job:ps/replica:0/task:0"
    private static let base = 5_000_000_000

    private func worker(_ number: Int) -> String { "/job:worker/replica:0/task:\(number)" }

    /// The step of a worker, whose master calls the worker's own server and a parameter server.
    /// - Parameters:
    ///   - skew: how much the worker's clock is ahead of the parameter server's.
    ///   - clock: the id of the worker's clock; empty if it is not known.
    ///   - start: when the step starts, by the parameter server's clock.
    private func step(_ number: Int, skew: Int, clock: String = "", start: Int = 0, callsServer: Bool = true) -> StepTimeline {
        let base = Self.base + start, task = worker(number)
        var metadata = RunMetadata(times: [
            NodeTime(node: "compute\(number)", op: "MatMul", device: "\(task)/device:CPU:0", start: base + 2_000 + skew, end: base + 4_000 + skew)
        ])
        let own = StepCall.Party(task: task, clock: clock)
        metadata.calls = [
            StepCall(caller: own, callee: own, sent: base + skew, arrived: base + skew, answered: base + 9_000 + skew, returned: base + 9_000 + skew)
        ]
        guard callsServer else { return StepTimeline(metadata) }
        metadata.times.append(
            NodeTime(node: "read\(number)", op: "ReadVariableOp", device: "\(Self.server)/device:CPU:0", start: base + 1_000, end: base + 1_100))
        metadata.calls.append(
            StepCall(
                caller: own, callee: .init(task: Self.server), sent: base + 100 + skew, arrived: base + 500, answered: base + 6_100,
                returned: base + 6_700 + skew))
        return StepTimeline(metadata)
    }

    private func start(of node: String, in timeline: StepTimeline) -> Int? {
        timeline.lanes.lazy.flatMap(\.intervals).first { $0.node == node }?.start
    }

    @Test("two masters' clocks are aligned by the server that both call, within the stated bound", arguments: [3_000_000_000, -3_000_000_000, 0])
    func commonTask(_ skew: Int) throws {
        let merged = StepTimeline(merging: [step(0, skew: 0), step(1, skew: skew)])
        let offset = try #require(merged.clockOffsets[worker(1)])
        let bound = try #require(offset.errorBound)
        #expect(abs(offset.nanoseconds - skew) <= bound && bound <= 1_000)
        #expect(merged.clockErrorBound == bound && merged.clockContradiction == 0 && merged.clocks.unaligned.isEmpty)
        for node in ["compute0", "compute1"] { #expect(try abs(#require(start(of: node, in: merged)) - Self.base - 2_000) <= bound) }
        for node in ["read0", "read1"] { #expect(try abs(#require(start(of: node, in: merged)) - Self.base - 1_000) <= bound) }
        #expect(merged.calls.allSatisfy { abs($0.start - Self.base) <= bound + 100 } && merged.calls.count == 4)
        #expect(merged.spans.ranges.count == 1 && merged.notes.count == 1 && merged.notes[0].hasPrefix("clocks of tasks aligned within ±"))
        // The server's clock is nearer to the first master's than by way of the second.
        #expect(merged.clockOffsets[Self.server] == step(0, skew: 0).clockOffsets[Self.server])
        #expect(merged.lanes.map(\.task) == [Self.server, worker(0), worker(1)])
    }

    @Test("a third master's clock is aligned with the first by way of the second")
    func chain() throws {
        // The second and the third call no common server, but read one clock.
        let merged = StepTimeline(merging: [
            step(0, skew: 0), step(1, skew: 9_000, clock: "boot 7"), step(2, skew: 9_000, clock: "boot 7", callsServer: false),
        ])
        let offsets = try [1, 2].map { number in try #require(merged.clockOffsets[worker(number)]) }
        #expect(offsets[0] == offsets[1] && offsets[0].errorBound != nil && merged.clocks.unaligned.isEmpty)
        #expect(start(of: "compute1", in: merged) == start(of: "compute2", in: merged))
    }

    @Test("masters that read one clock keep their times")
    func oneClock() {
        let merged = StepTimeline(merging: [0, 1].map { step($0, skew: 0, clock: "boot 1", callsServer: false) })
        #expect(merged.notes.isEmpty && merged.clockErrorBound == 0)
        #expect(start(of: "compute1", in: merged) == Self.base + 2_000)
    }

    @Test("a clock that nothing bounds keeps its times, and the timeline says so")
    func unbounded() {
        let merged = StepTimeline(merging: [step(0, skew: 0), step(1, skew: 700, callsServer: false), step(2, skew: 0)])
        #expect(start(of: "compute1", in: merged) == Self.base + 2_700 && merged.clocks.unaligned == [worker(1)])
        #expect(merged.clockErrorBound == nil)
        #expect(merged.notes == ["the clock of 1 client is not aligned: nothing bounds how it differs from the first one"])
        #expect(merged.description.hasSuffix(merged.notes[0]) && TimelinePicture([.init("async", merged)]).svg.contains(merged.notes[0]))
        // Also when it is merged again.
        #expect(StepTimeline(merging: [merged]).notes == merged.notes)
    }

    @Test("steps that ran at different times are said to, and the time between them is not of the step")
    func differentTimes() {
        let steps = [step(0, skew: 0, clock: "c"), step(1, skew: 0, clock: "c", start: 1_000_000)]
        let merged = StepTimeline(merging: steps)
        #expect(merged.spans.ranges.count == 2 && merged.notes.last == "the steps of the clients ran at 2 different times")
        let (whole, used) = (StepUtilization(merged), steps.map { StepUtilization($0) })
        #expect(whole.duration == used[0].duration + used[1].duration && whole.duration < 10_000 && merged.duration > 1_000_000)
        #expect(whole.devices.allSatisfy { $0.busy + $0.waiting + $0.idle == whole.duration && $0.idle >= 0 })
        let report = StrategyComparisonTests.report(stepsPerSecond: 1, samplesPerSecond: 1, timelines: [(3, merged)])
        #expect(TrainingSummary(report).rows[1...2].elementsEqual(merged.notes.map { ["", $0] }))
        let overlapping = StepTimeline(merging: [steps[0], step(1, skew: 0, clock: "c", start: 1_500)])
        #expect(!overlapping.notes.contains { $0.contains("different times") })
    }

    @Test("what contradicts itself is told, and the largest times do not overflow")
    func extremes() {
        let none = StepTimeline(merging: [])
        #expect(none.lanes.isEmpty && none.notes.isEmpty)
        let far = StepTimeline(merging: [step(0, skew: Int.max / 4), step(1, skew: -(Int.max / 4)), step(1, skew: Int.max / 4)])
        #expect(far.clockContradiction > 0)
        #expect(far.lanes.flatMap(\.intervals).allSatisfy { $0.start >= 0 && $0.start <= $0.end })
        _ = (far.chromeTrace(), far.svg(), StepUtilization(far).description)
    }
}
