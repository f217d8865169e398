import Testing
import Weir

@testable import WeirTrain

@Suite("Monitored sessions in one process", .timeLimit(.minutes(2)))
struct MonitoredSessionTests {
    private let graph = CountingGraph()

    @Test("hooks are called in order, and the training ends when one asks for it")
    func order() async throws {
        let hook = RecordingHook(stopsAfter: 2)
        let session = try await MonitoredSession(graph.builder, MonitoredSessionOptions(hooks: [hook]))
        var values: [Tensor?] = []
        while !session.shouldStop { values.append(try await session.run(graph.sum.value, targets: [graph.step])) }
        try await session.close()
        try await session.close()
        #expect(hook.calls.all == ["begin", "create -", "before", "after", "before", "after", "end"])
        #expect(values.count == 2 && values.allSatisfy { $0 != nil } && session.shouldStop)
    }

    @Test("a step after the end, a second step at the same time and a step after close are refused")
    func misuse() async throws {
        let gate = GateHook()
        let session = try await MonitoredSession(graph.builder, MonitoredSessionOptions(hooks: [gate]))
        let first = Task { [graph] in try await session.run(graph.sum.value) }
        await gate.calls.wait(for: "before")
        let second = await #expect(throws: Status.self) { try await session.run(graph.step) }
        #expect(second?.code == .failedPrecondition && second?.message.contains("one at a time") == true)
        let early = await #expect(throws: Status.self) { try await session.close() }
        #expect(early?.code == .failedPrecondition)
        session.requestStop()
        gate.calls.add("go")
        #expect(try await first.value == Tensor(0 as Float))
        let ended = await #expect(throws: Status.self) { try await session.run(graph.step) }
        #expect(ended?.code == .failedPrecondition && ended?.message.contains("shouldStop") == true)
        try await session.close()
        let closed = await #expect(throws: Status.self) { try await session.run(graph.step) }
        #expect(closed?.code == .failedPrecondition && closed?.message.contains("closed") == true)
    }

    @Test("what a step needs and does not get is said before the first step", arguments: [0, 1, 2, 3, 4, 5, 6])
    func options(_ number: Int) async {
        var options = MonitoredSessionOptions()
        let builder = number == 0 ? GraphBuilder() : graph.builder
        switch number {
        case 0: options.hooks = [StopAtStepHook(lastStep: 3)]
        case 1: options.hooks = [StopAtStepHook(numSteps: 0)]
        case 2: options.saveCheckpoints = .seconds(.nan)
        case 3: options.maximumWait = .zero
        case 4: options.checkpointDirectory = ""
        case 5: options.hooks = [LoggingTensorHook(["sum": graph.sum.value], every: nil) { _ in }]
        default: options.hooks = [NaNTensorHook(graph.globalStep.value)]
        }
        let error = await #expect(throws: Status.self) { try await MonitoredSession(builder, options) }
        #expect(error?.code == (number == 0 ? .failedPrecondition : .invalidArgument) && error?.message.contains("expected") == true)
    }

    @Test("variables to which initialization gives no value are named")
    func uninitialized() async {
        var options = MonitoredSessionOptions()
        options.scaffold.initOp = [graph.globalStep.initializer]
        let error = await #expect(throws: Status.self) { try await MonitoredSession(graph.builder, options) }
        #expect(error?.code == .failedPrecondition && error?.message.contains("sum") == true && error?.message.contains("global_step") == false)
    }

    @Test("local variables are initialized after the others, by themselves and in every client")
    func local() async throws {
        let devices = try LocalDevices()
        func client(isChief: Bool) async throws -> (MonitoredSession, Output) {
            let graph = CountingGraph()
            let local = graph.builder.variable(isChief ? "local/0" : "local/1") { graph.sum.value + 1.0 }
            var options = MonitoredSessionOptions(isChief: isChief)
            options.devices = devices
            options.scaffold.localVariables = [local]
            options.scaffold.initFunction = { session throws(Status) in try await session.run(graph.step) }
            return (try await MonitoredSession(graph.builder, options), local.value)
        }
        for isChief in [true, false] {
            let (session, local) = try await client(isChief: isChief)
            #expect(try await session.run(local) == Tensor(2 as Float))
            #expect(!session.graph.nodes.contains { $0.name.hasPrefix("save/") } || isChief)
            try await session.close()
        }
    }

    @Test("a worker says whom it waits for and for which variables, each second, and gives up after the longest wait")
    func timeout() async throws {
        let notices = Notices()
        var options = MonitoredSessionOptions(isChief: false)
        options.maximumWait = .milliseconds(3_500)
        options.onNotice = notices.add
        let error = await #expect(throws: Status.self) { try await MonitoredSession(graph.builder, options, clock: ManualClock().clock) }
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.message.contains("within 3.5 s") == true && error?.message.contains("the chief to initialize 2 variables: sum, global_step") == true)
        #expect(notices.all.count == 3 && notices.contain("waiting for the chief to initialize 2 variables: sum, global_step; 1."))
    }

    @Test("a worker whose task is cancelled ends its wait")
    func cancelled() async throws {
        let notices = Notices()
        var options = MonitoredSessionOptions(isChief: false)
        options.onNotice = notices.add
        let waiting = Task { [options, graph] in try await MonitoredSession(graph.builder, options, clock: ManualClock().clock) }
        await notices.wait(for: "the chief")
        waiting.cancel()
        let result = await waiting.result
        let error = #expect(throws: Status.self) { try result.get() }
        #expect(error?.code == .cancelled && error?.message.contains("sum") == true)
    }

    @Test("a step that finds its queue closed ends the training without an error: taking from it, or adding to it for a worker", arguments: [true, false])
    func closedQueue(_ takes: Bool) async throws {
        let queue = graph.builder.fifoQueue(types: [.float32], shapes: [.scalar], sharedName: "closed")
        let enqueue = queue.enqueue([graph.builder.constant(1.0)]), close = queue.close(cancelPendingEnqueues: true)
        let dequeue = queue.dequeue()[0]
        let devices = try LocalDevices()
        for isChief in [true, false] {
            let hook = RecordingHook()
            var options = MonitoredSessionOptions(isChief: isChief, hooks: [hook])
            options.devices = devices
            let session = try await MonitoredSession(graph.builder, options)
            if isChief {
                try await session.run(enqueue)
                try await session.run(close)
                if takes { #expect(try await session.run(dequeue) == Tensor(1 as Float)) }
            }
            if takes {
                #expect(try await session.run(dequeue) == nil)
            } else if isChief {
                let error = await #expect(throws: Status.self) { try await session.run(enqueue) }
                #expect(error?.code == .cancelled)
            } else {
                #expect(try await session.run(enqueue) == nil)
            }
            let isEnded = takes || !isChief
            #expect(session.shouldStop == isEnded)
            try await session.close()
            #expect(hook.calls.contain("end") == isEnded)
        }
    }

    @Test("the chief goes on from the latest checkpoint that can be read")
    func restore() async throws {
        let scratch = FileSystemScratch()
        var options = MonitoredSessionOptions(checkpointDirectory: scratch.path)
        options.saveCheckpoints = .steps(2)
        options.hooks = [StopAtStepHook(numSteps: 3)]
        func train(_ options: MonitoredSessionOptions, _ graph: CountingGraph) async throws -> Tensor? {
            let session = try await MonitoredSession(graph.builder, options)
            var last: Tensor?
            while !session.shouldStop {
                try await session.run(graph.step)
                if !session.shouldStop { last = try await session.run(graph.sum.value) }
            }
            try await session.close()
            return last
        }
        _ = try await train(options, graph)
        #expect(scratch.names.filter { $0.hasSuffix(".index") } == ["model.ckpt-0.index", "model.ckpt-2.index", "model.ckpt-3.index"])

        // A new training of three more steps.
        let notices = Notices(), recording = RecordingHook()
        options.onNotice = notices.add
        options.hooks = [StopAtStepHook(numSteps: 3), recording]
        let second = CountingGraph()
        #expect(try await train(options, second) == Tensor(5 as Float))
        #expect(notices.contain("restored \(scratch.path)/model.ckpt-3") && recording.calls.contain("create \(scratch.path)/model.ckpt-3"))

        // The latest is damaged.
        try AtomicFile.write([1, 2, 3], to: "\(scratch.path)/model.ckpt-6.index")
        options.hooks = [StopAtStepHook(lastStep: 6)]
        let third = CountingGraph()
        _ = try await train(options, third)
        #expect(notices.contain("CHECKPOINT NOT USED: \(scratch.path)/model.ckpt-6") && notices.contain("restored \(scratch.path)/model.ckpt-5"))
        #expect(try CheckpointFile(scratch.path).path == "\(scratch.path)/model.ckpt-6")
    }

    @Test("with closes the session also when the program throws, and then calls no hook's end")
    func scoped() async throws {
        let hook = RecordingHook()
        let error = await #expect(throws: Status.self) {
            try await MonitoredSession.with(graph.builder, MonitoredSessionOptions(hooks: [hook])) { session in
                try await session.run(graph.step)
                throw Status.notFound("mine")
            }
        }
        #expect(error?.message == "mine" && hook.calls.all == ["begin", "create -", "before", "after"])
        let other = RecordingHook()
        let sum = try await MonitoredSession.with(CountingGraph().builder, MonitoredSessionOptions(hooks: [other])) { try await $0.run("sum/Read:0") }
        #expect(sum == Tensor(0 as Float) && other.calls.all.last == "end")
    }

    @Test("what a hook feeds reaches the step, and what two feed is an error")
    func feeds() async throws {
        let x = graph.builder.placeholder(.float32, shape: [], name: "x")
        let doubled = x * 2.0
        let hook = FeedFunctionHook { () throws(Status) in [x: 4.0] }
        let session = try await MonitoredSession(graph.builder, MonitoredSessionOptions(hooks: [hook]))
        #expect(try await session.run(doubled) == Tensor(8 as Float))
        let error = await #expect(throws: Status.self) { try await session.run(doubled, feeding: [x: 1.0]) }
        #expect(error?.code == .invalidArgument && error?.message.contains("'x:0' is fed twice") == true)
        try await session.close()
    }
}

/// Lets a step wait until the test says `go`.
private final class GateHook: SessionRunHook {
    let calls = Notices()
    func beforeRun(_ context: SessionRunContext) async -> SessionRunArgs {
        calls.add("before")
        await calls.wait(for: "go")
        return SessionRunArgs()
    }
}
