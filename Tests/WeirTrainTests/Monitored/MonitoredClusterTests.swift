import Synchronization
import Testing
import Weir
import WeirTesting

@testable import WeirTrain

@Suite("Monitored sessions of a chief and workers", .timeLimit(.minutes(2)))
struct MonitoredClusterTests {
    /// Trains until the hooks ask for the end.
    /// - Returns: the number of this client's steps.
    @Sendable private static func train(_ graph: CountingGraph, _ options: MonitoredSessionOptions) async throws -> Int {
        try await MonitoredSession.with(graph.builder, options) { session in
            var count = 0
            while !session.shouldStop { count += try await session.run(graph.step) == nil ? 0 : 1 }
            return count
        }
    }

    /// Starts the server of a task again, at its address.
    private func restart(_ cluster: TestCluster, _ job: String, _ task: Int = 0) async throws -> Server {
        let options = ServerOptions(host: "127.0.0.1", gracePeriod: .milliseconds(100))
        return try await Server(ServerDefinition(.cluster(cluster.spec), job: job, task: task), options: options)
    }

    @Test("a chief and two workers stop at a number of updates that they count together; workers that come first wait for the chief")
    func twoWorkers() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            let notices = Notices(), clock = ManualClock()
            let workers = try (1...2).map { worker in
                var options = try CountingGraph.options(cluster, worker: worker, hooks: [StopAtStepHook(lastStep: 40)])
                options.maximumWait = .seconds(100_000)
                options.onNotice = notices.add
                let graph = CountingGraph(worker: worker)
                return Task { [options] in
                    let session = try await MonitoredSession(graph.builder, options, clock: clock.clock)
                    var count = 0
                    while !session.shouldStop { count += try await session.run(graph.step) == nil ? 0 : 1 }
                    try await session.close()
                    return count
                }
            }
            await notices.wait(for: "waiting for the chief to initialize 2 variables: sum (/job:ps/task:0), global_step (/job:ps/task:0)")
            let chief = CountingGraph(worker: 0)
            let final = FinalOpsHook([chief.globalStep.value, chief.sum.value])
            let options = try CountingGraph.options(cluster, worker: 0, hooks: [StopAtStepHook(lastStep: 40), final])
            var counts = [try await MonitoredClusterTests.train(chief, options)]
            for worker in workers { counts.append(try await worker.value) }
            let total = counts.reduce(0, +)
            // A client whose step read less than 39 does not know yet that another reached 40, and makes one more.
            #expect((40...45).contains(total), "\(counts)")
            let values = try #require(final.values)
            #expect((40...45).contains(try values[0].integer()))
        }
    }

    @Test("when a parameter server is killed and restarted, the chief restores the latest checkpoint, the worker waits for it, and both go on")
    func parameterServerRestarts() async throws {
        let scratch = FileSystemScratch()
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let graphs = (0...1).map { CountingGraph(worker: $0) }
            let hooks = (0...1).map { _ in RecordingHook() }
            let notices = (0...1).map { _ in Notices() }
            var sessions: [MonitoredSession] = []
            for worker in 0...1 {
                var options = try CountingGraph.options(cluster, worker: worker, hooks: [hooks[worker]])
                options.onNotice = notices[worker].add
                if worker == 0 { (options.checkpointDirectory, options.saveCheckpoints) = (scratch.path, .steps(4)) }
                sessions.append(try await MonitoredSession(graphs[worker].builder, options))
            }
            for _ in 0..<3 { for worker in 0...1 { try await sessions[worker].run(graphs[worker].step) } }
            // The chief's second step made the third update; its third, the fifth: it saved that.
            let saved = try Saver.latestCheckpoint(in: scratch.path)
            #expect(saved == "\(scratch.path)/model.ckpt-5")
            try await cluster.server("ps").stop()
            let again = try await restart(cluster, "ps")
            // The worker is first, and waits for the chief.
            let waiting = Task { [worker = sessions[1], step = graphs[1].step] in try await worker.run(step) }
            await notices[1].wait(for: "a server was lost")
            try await sessions[0].run(graphs[0].step)
            _ = try await waiting.value
            #expect(hooks[0].calls.contain("create \(scratch.path)/model.ckpt-5") && hooks[1].calls.all.count { $0 == "create -" } == 2)
            // Five were saved, and each has made one more.
            #expect(try await sessions[0].run([graphs[0].globalStep.value]) == [Tensor(7 as Int64)])
            for session in sessions { try await session.close() }
            #expect(hooks.allSatisfy { $0.calls.contain("end") })
            await again.stop()
        }
    }

    @Test("a master that is restarted has no sessions: its client opens a new one and goes on")
    func masterRestarts() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let graphs = (0...1).map { CountingGraph(worker: $0) }
            let chief = try await MonitoredSession(graphs[0].builder, try CountingGraph.options(cluster, worker: 0))
            let worker = try await MonitoredSession(graphs[1].builder, try CountingGraph.options(cluster, worker: 1))
            for _ in 0..<3 { try await worker.run(graphs[1].step) }
            try await cluster.server("worker", 1).stop()
            let again = try await restart(cluster, "worker", 1)
            try await worker.run(graphs[1].step)
            // The parameter server was there all the time.
            #expect(try await chief.run(graphs[0].sum.value) == Tensor(4 as Float))
            try await worker.close()
            try await chief.close()
            await again.stop()
        }
    }

    @Test("when a server does not come back, the step fails after the longest wait and says what it waited for", arguments: ["ps", "worker"])
    func staysAway(_ job: String) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let graph = CountingGraph(worker: 0)
            var options = try CountingGraph.options(cluster, worker: 0)
            options.maximumWait = .seconds(100)
            let target = try cluster.server("worker").target
            let clock = ManualClock()
            let session = try await MonitoredSession(graph.builder, options, clock: clock.clock)
            try await session.run(graph.step)
            try await cluster.server(job).stop()
            let result = await clock.passing { [step = graph.step] in try await session.run(step) }
            let error = #expect(throws: Status.self) { try result.get() }
            #expect(error?.code == .deadlineExceeded && error?.message.contains(target) == true, "\(error?.message ?? "")")
            if job == "ps" { #expect(error?.message.contains("after a server was lost") == true, "\(error?.message ?? "")") }
            // Its master is away, too.
            try await clock.passing { try await session.close() }.get()
        }
    }

    @Test("a session for which no server answers is given up after the longest wait")
    func noServer() async throws {
        let graph = CountingGraph(worker: 0)
        let spec = try ClusterSpec.onLoopback([("worker", 1)])
        let target = "grpc://\(try #require(spec.address(job: "worker", task: 0)))"
        var options = MonitoredSessionOptions(target: .address(target))
        options.maximumWait = .milliseconds(200)
        let error = await #expect(throws: Status.self) { try await MonitoredSession(graph.builder, options) }
        #expect(error?.code == .deadlineExceeded && error?.message.contains("\(target): it does not answer") == true, "\(error?.message ?? "")")
    }

    @Test("a worker whose step waits for a queue that the chief closes at its end ends too, without an error")
    func workerAfterChief() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            func tokens(_ graph: CountingGraph) -> TensorQueue {
                graph.builder.device("/job:ps/task:0") { graph.builder.fifoQueue(types: [.int64], shapes: [.scalar], sharedName: "tokens") }
            }
            let graphs = (0...1).map { CountingGraph(worker: $0) }
            let close = tokens(graphs[0]).close(cancelPendingEnqueues: true)
            let token = tokens(graphs[1]).dequeue()[0]
            let chief = try await MonitoredSession(
                graphs[0].builder, try CountingGraph.options(cluster, worker: 0, hooks: [StopAtStepHook(numSteps: 2), FinalOpsHook(targets: [close])]))
            let recording = RecordingHook()
            let worker = try await MonitoredSession(graphs[1].builder, try CountingGraph.options(cluster, worker: 1, hooks: [recording]))
            let waiting = Task { try await worker.run(token) }
            await recording.calls.wait(for: "before")
            while !chief.shouldStop { try await chief.run(graphs[0].step) }
            try await chief.close()
            #expect(try await waiting.value == nil && worker.shouldStop)
            try await worker.close()
            #expect(recording.calls.all == ["begin", "create -", "before", "end"])
        }
    }
}
