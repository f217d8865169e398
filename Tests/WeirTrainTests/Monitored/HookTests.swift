import Foundation
import Testing
import Weir
import WeirWire

@testable import WeirTrain

@Suite("Hooks of monitored sessions", .timeLimit(.minutes(2)))
struct HookTests {
    private let graph = CountingGraph()
    private let scratch = FileSystemScratch()
    private let manual = ManualClock()

    /// Runs so many steps, a second each.
    private func train(_ steps: Int, _ options: MonitoredSessionOptions) async throws {
        let session = try await MonitoredSession(graph.builder, options, clock: manual.clock)
        for _ in 0..<steps {
            try await session.run(graph.step)
            manual.advance(by: .seconds(1))
        }
        try await session.close()
    }

    private func train(_ steps: Int, _ hooks: any SessionRunHook...) async throws { try await train(steps, MonitoredSessionOptions(hooks: hooks)) }

    private func events() throws -> [Event] {
        let name = try #require(scratch.names.first { $0.hasPrefix("events.out.tfevents.") })
        let reader = try EventFileReader("\(scratch.path)/\(name)")
        var events: [Event] = []
        while let event = try reader.next() { events.append(event) }
        return events
    }

    private func scalars(_ events: [Event], _ tag: String) -> [Int64: Float] {
        var found: [Int64: Float] = [:]
        for event in events {
            guard case .summary(let summary)? = event.content else { continue }
            for value in summary.values where value.tag == tag {
                if case .scalar(let number) = value.content { found[event.step] = number }
            }
        }
        return found
    }

    @Test("StopAtStepHook stops after so many steps, or at the last one, whatever happened before", arguments: [true, false])
    func stopAtStep(_ counts: Bool) async throws {
        var options = MonitoredSessionOptions(hooks: [counts ? StopAtStepHook(numSteps: 4) : StopAtStepHook(lastStep: 4)])
        options.scaffold.initFunction = { [graph] session throws(Status) in for _ in 0..<3 { try await session.run(graph.step) } }
        let session = try await MonitoredSession(graph.builder, options)
        var count = 0
        while !session.shouldStop {
            try await session.run(graph.step)
            count += 1
        }
        #expect(count == (counts ? 4 : 1))
        try await session.close()
    }

    @Test("CheckpointSaverHook saves at the beginning, every so many steps or seconds, and at the end", arguments: [HookInterval.steps(3), .seconds(2.5)])
    func checkpoints(_ interval: HookInterval) async throws {
        var options = MonitoredSessionOptions(checkpointDirectory: scratch.path)
        options.saveCheckpoints = interval
        options.logStepCount = nil
        options.saveSummaries = nil
        options.scaffold.saver = Saver(graph.builder, maxToKeep: nil)
        try await train(7, options)
        let saved = Set(scratch.names.filter { $0.hasSuffix(".index") })
        #expect(saved == Set((interval == .steps(3) ? [0, 3, 6, 7] : [0, 4, 7]).map { "model.ckpt-\($0).index" }))
        let events = try events()
        let paths = events.compactMap { event -> String? in
            if case .session(let log)? = event.content, log.state == .checkpoint { log.checkpointPath } else { nil }
        }
        #expect(paths.count == saved.count && paths.last == "\(scratch.path)/model.ckpt-7")
        #expect(events.count { if case .graph? = $0.content { true } else { false } } == 1)
        #expect(try CheckpointFile(scratch.path).tensor("sum") == Tensor(7 as Float))
    }

    @Test("SummarySaverHook writes the graph's summaries after the first step and every so many")
    func summaries() async throws {
        _ = graph.builder.scalarSummary("a sum", graph.sum.value)
        _ = graph.builder.histogramSummary("distribution", graph.sum.value)
        let writer = try SummaryWriter(directory: scratch.path)
        try await train(7, SummarySaverHook(every: .steps(3), writer: writer, clock: manual.clock))
        try writer.close()
        let events = try events()
        #expect(scalars(events, "a sum").keys.sorted() == [1, 4, 7])
        #expect(events.contains { if case .session(let log)? = $0.content { log.state == .start && $0.step == 1 } else { false } })
        #expect(events.contains { if case .summary(let summary)? = $0.content { summary.values.map(\.tag) == ["a sum", "distribution"] } else { false } })
    }

    @Test("LoggingTensorHook tells tensors every so many steps or seconds and at the end", arguments: [HookInterval.steps(3), .seconds(2.5), nil])
    func logging(_ interval: HookInterval?) async throws {
        let lines = Notices()
        let hook = LoggingTensorHook(
            ["sum": graph.sum.value, "step": graph.globalStep.value], every: interval, atEnd: interval != .steps(3), clock: manual.clock, log: lines.add)
        try await train(7, hook)
        #expect(lines.all.allSatisfy { $0.hasPrefix("sum = ") && $0.contains(", step = ") })
        switch interval {
        case .steps: #expect(lines.all.count == 3 && lines.all[1].hasSuffix("(3.0 s)"))
        case .seconds: #expect(lines.all.count == 4 && lines.all[1].hasSuffix("(3.0 s)") && lines.all[3].hasPrefix("sum = 7.0, step = 7"))
        case nil: #expect(lines.all == ["sum = 7.0, step = 7"])
        }
    }

    @Test("StepCounterHook writes and tells the steps per second")
    func stepCounter() async throws {
        let writer = try SummaryWriter(directory: scratch.path), told = Notices()
        try await train(7, StepCounterHook(every: .steps(2), writer: writer, log: { told.add("\($0) \($1)") }, clock: manual.clock))
        try writer.close()
        let rates = scalars(try events(), "global_step/sec")
        #expect(rates == [3: 1, 5: 1, 7: 1] && told.all == [String](repeating: "global_step/sec 1.0", count: 3))
    }

    @Test("NaNTensorHook fails with the tensor and the update, or ends the training", arguments: [true, false])
    func nan(_ fails: Bool) async throws {
        let loss = (graph.builder.constant(2.5) - graph.sum.read()).log()
        let told = Notices()
        let session = try await MonitoredSession(graph.builder, MonitoredSessionOptions(hooks: [NaNTensorHook(loss, failsOnNaN: fails, log: told.add)]))
        var failure: Status?
        var count = 0
        while !session.shouldStop, failure == nil, count < 10 {
            count += 1
            do { try await session.run(graph.step) } catch { failure = Status(error) }
        }
        let expected = "The model diverged: '\(loss.name)' is not a number, after update \(count)"
        #expect((3...4).contains(count))
        #expect(fails ? failure == .invalidArgument(expected) : failure == nil && told.all == [expected])
        try await session.close()
    }

    @Test("ProfilerHook writes a Chrome trace of one step of so many, and records it")
    func profiler() async throws {
        let writer = try SummaryWriter(directory: scratch.path)
        try await train(7, ProfilerHook(every: .steps(3), directory: "\(scratch.path)/traces", writer: writer, clock: manual.clock))
        try writer.close()
        #expect(try FileSystem.contents(of: "\(scratch.path)/traces") == ["timeline-3.json", "timeline-6.json"])
        let trace = try #require(try JSONSerialization.jsonObject(with: Data(try scratch.text("traces/timeline-3.json").utf8)) as? [String: Any])
        let names = (trace["traceEvents"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
        #expect(names.contains("AssignAddVariableOp"))
        let tags = try events().compactMap { if case .runMetadata(let tag, _)? = $0.content { tag } else { nil } }
        #expect(tags == ["step_3", "step_6"])
    }

    @Test("FeedFunctionHook feeds each step, and ends the training when it has no more")
    func feedFunction() async throws {
        let x = graph.builder.placeholder(.float32, shape: [], name: "x")
        let product = x * 10.0
        let calls = Notices()
        let hook = FeedFunctionHook { () throws(Status) in
            calls.add("call")
            if calls.all.count > 3 { throw .outOfRange("no more rows") }
            return [x: Float(calls.all.count)]
        }
        let session = try await MonitoredSession(graph.builder, MonitoredSessionOptions(hooks: [hook]))
        var found: [Tensor] = []
        while let value = try await session.run(product) { found.append(value) }
        #expect(found == [Tensor(10 as Float), Tensor(20 as Float), Tensor(30 as Float)] && session.shouldStop)
        try await session.close()
    }

    @Test("FinalOpsHook computes tensors and runs operations at the end")
    func finalOps() async throws {
        let x = graph.builder.placeholder(.float32, shape: [], name: "x")
        let hook = FinalOpsHook([graph.globalStep.value + x.cast(to: .int64)], feeding: [x: 5.0])
        #expect(hook.values == nil)
        try await train(3, hook)
        #expect(hook.values == [Tensor(8 as Int64)])
    }

    @Test("GlobalStepWaiterHook lets the first step wait until others have made so many updates")
    func waiter() async throws {
        let devices = try LocalDevices()
        let waiting = CountingGraph()
        let told = Notices()
        var options = MonitoredSessionOptions()
        options.devices = devices
        let chief = try await MonitoredSession(graph.builder, options)
        options.isChief = false
        options.hooks = [GlobalStepWaiterHook(waitUntilStep: 3, clock: manual.clock, log: told.add)]
        let worker = try await MonitoredSession(waiting.builder, options)
        let first = Task { try await worker.run(waiting.step) }
        await told.wait(for: "waiting for update 3 before the first step; there are 0")
        for _ in 0..<3 { try await chief.run(graph.step) }
        _ = try await first.value
        #expect(try await chief.run(graph.globalStep.value) == Tensor(4 as Int64))
        try await worker.close()
        try await chief.close()
    }
}
