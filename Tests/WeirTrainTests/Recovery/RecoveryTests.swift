import Synchronization
import Testing
import Weir
import WeirWire

@testable import WeirTrain

@Suite("Recovery of trainings", .serialized, .timeLimit(.minutes(2)))
struct RecoveryTests {
    private let scratch = FileSystemScratch()

    /// What a training has told.
    private final class Events: Sendable {
        private let notices = Mutex<[String]>([])
        private let stream = AsyncStream<TrainingStep>.makeStream()
        var steps: AsyncStream<TrainingStep> { stream.stream }
        func has(_ text: String) -> Bool { notices.withLock { $0.contains { $0.firstRange(of: text) != nil } } }
        func add(_ event: TrainingEvent) {
            switch event {
            case .step(let step): stream.continuation.yield(step)
            case .notice(let text): notices.withLock { $0.append(text) }
            default: break
            }
        }

        /// Trains in a task. The stream of steps ends with it, so that nobody waits for steps that do not come.
        func training<Report: Sendable>(_ run: @escaping @Sendable () async throws -> Report) -> Task<Report, any Error> {
            Task {
                defer { stream.continuation.finish() }
                return try await run()
            }
        }
    }

    private func options(_ strategy: any Strategy, steps: Int, every interval: Int? = 7, in folder: String) throws -> TrainingOptions {
        let network = DenseNetwork(inputCount: 4, hidden: [8], classCount: 3)
        var options = try TrainingOptions(
            network, table: Table.iris(), strategy: strategy, optimizer: Adam(learningRate: 0.02), stepCount: steps, batchSize: 16)
        options.checkpoint = interval.map { TrainingCheckpoint("\(scratch.path)/\(folder)/model", every: $0) }
        options.recovery = TrainingRecovery(timeout: .seconds(20))
        options.returnsParameters = true
        return options
    }

    /// Trains while tasks end at random moments and are started again.
    private func train(
        _ options: TrainingOptions, _ cluster: MortalCluster, killing victims: [(job: String, task: Int)], seed: UInt64, _ events: Events
    ) async throws -> TrainingReport {
        let trainer = Trainer(options, cluster: cluster.spec, onEvent: events.add)
        let report = events.training { try await trainer.run() }
        var random = SplitMix(seed: seed)
        var left = victims
        var wait = Int.random(in: 5...20, using: &random)
        for await _ in events.steps {
            wait -= 1
            guard wait <= 0, !left.isEmpty else { continue }
            let victim = left.removeFirst()
            try await cluster.restart(victim.job, victim.task)
            wait = Int.random(in: 5...20, using: &random)
        }
        #expect(left.isEmpty, "training ended before all were killed")
        return try await report.value
    }

    @Test(
        "a synchronous training whose tasks are killed has the bits of one that is not disturbed",
        arguments: [
            (SynchronousReplicas(), [("ps", 1), ("worker", 2)], [("ps", 0), ("worker", 1), ("worker", 0)]),
            (AllReduceReplicas(), [("worker", 2)], [("worker", 1), ("worker", 0)]),
        ] as [(any Strategy, [(String, Int)], [(String, Int)])])
    func sameBits(_ strategy: any Strategy, _ jobs: [(String, Int)], _ victims: [(String, Int)]) async throws {
        try await MortalCluster.with(jobs.map { (name: $0.0, count: $0.1) }) { cluster in
            let calm = try await Trainer(options(strategy, steps: 120, in: "calm"), cluster: cluster.spec).run()
            let report = try await train(
                options(strategy, steps: 120, in: "disturbed"), cluster, killing: victims.map { (job: $0.0, task: $0.1) }, seed: 3, Events())
            #expect(report.parameters == calm.parameters && report.parameters.count == 4)
            #expect(report.testMetrics == calm.testMetrics && report.attemptCount > 1 && calm.attemptCount == 1)
            #expect(report.stepCount == 120 && report.lostWorkers.isEmpty && report.saveFailure == nil)
            let last = try BundleReader("\(scratch.path)/disturbed/model-120")
            let same = try BundleReader("\(scratch.path)/calm/model-120")
            for (name, _) in try same.tensors() {
                let (found, expected) = (try last.tensor(name), try same.tensor(name))
                #expect(found == expected, "\(name)")
            }
        }
    }

    @Test("without a checkpoint, training begins again where it began, and has the same bits")
    func withoutCheckpoint() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let calm = try await Trainer(options(SynchronousReplicas(), steps: 60, every: nil, in: ""), cluster: cluster.spec).run()
            let report = try await train(
                options(SynchronousReplicas(), steps: 60, every: nil, in: ""), cluster, killing: [("ps", 0)], seed: 1, Events())
            #expect(report.parameters == calm.parameters && report.attemptCount == 2)
        }
    }

    @Test("a checkpoint of an earlier training in the folder is not taken for one of this training")
    func otherCheckpoints() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let earlier = try await Trainer(options(SynchronousReplicas(), steps: 55, every: 50, in: "run"), cluster: cluster.spec).run()
            #expect(earlier.stepCount == 55)
            // It would be complete if it went on from update 55.
            let report = try await train(
                options(SynchronousReplicas(), steps: 50, every: 1000, in: "run"), cluster, killing: [("ps", 0)], seed: 2, Events())
            #expect(report.losses.map(\.step) == Array(1...50) && report.attemptCount == 2)
        }
    }

    @Test("a worker of asynchronous replicas that returns goes on from the current values, and training does not begin again")
    func returningWorker() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let events = Events()
            let trainer = Trainer(try options(AsynchronousReplicas(), steps: 1_000_000, in: "async"), cluster: cluster.spec, onEvent: events.add)
            let report = events.training { try await trainer.run() }
            var killedAt: Int?
            var returnedAt: Int?
            for await step in events.steps {
                if killedAt == nil, step.worker == 1 {
                    try await cluster.restart("worker", 1)
                    killedAt = step.step
                }
                if killedAt != nil, step.worker == 1, events.has("worker 1 is back") {
                    returnedAt = step.step
                    #expect(step.workersAlive == 2)
                    break
                }
            }
            #expect((returnedAt ?? 0) > (killedAt ?? .max))
            #expect(events.has("worker 1 is lost") && !events.has("attempt 1 has ended"))
            report.cancel()
            let error = await #expect(throws: Status.self) { try await report.value }
            #expect(error?.code == .cancelled, "\(error?.message ?? "")")
        }
    }

    @Test("when the chief's worker returns, asynchronous replicas go on with the values that the parameter servers have")
    func returningChief() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let events = Events()
            let report = try await train(
                options(AsynchronousReplicas(), steps: 300, every: nil, in: ""), cluster, killing: [("worker", 0)], seed: 5, events)
            #expect(report.attemptCount == 2 && report.stepCount == 300)
            // Nothing is undone, so every update has its loss, but for those whose outcome is not known.
            #expect(report.updatesByWorker.reduce(0, +) >= 296 && report.losses.count >= 296)
        }
    }

    @Test("a task that does not return ends training with an error that names it, and each wait names it")
    func neverReturns() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let events = Events()
            var options = try options(SynchronousReplicas(), steps: 1_000_000, in: "run")
            options.recovery = TrainingRecovery(timeout: .milliseconds(1200))
            let trainer = Trainer(options, cluster: cluster.spec, onEvent: events.add)
            let report = events.training { try await trainer.run() }
            for await step in events.steps where step.step >= 5 { break }
            await cluster.kill("ps", 0)
            let error = await #expect(throws: Status.self) { try await report.value }
            #expect(error?.code == .unavailable && error?.message.firstRange(of: "parameter server /job:ps/task:0 at ") != nil, "\(error?.message ?? "")")
            #expect(events.has("waiting for parameter server /job:ps/task:0 at "))
        }
    }

    @Test("a client in a process of its own waits for its worker, says so, and ends with an error that names it")
    func ownWorker() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = try options(AsynchronousReplicas(), steps: 1_000_000, every: nil, in: "")
            options.recovery = TrainingRecovery(timeout: .milliseconds(1200))
            let events = Events()
            let chief = Task { [options] in try await Trainer(options, cluster: cluster.spec).run(asWorker: 0) }
            let trainer = Trainer(options, cluster: cluster.spec, onEvent: events.add)
            let report = events.training { try await trainer.run(asWorker: 1) }
            for await _ in events.steps { break }
            await cluster.kill("worker", 1)
            let error = await #expect(throws: Status.self) { try await report.value }
            // On a busy machine the monitor may find another task late as well. Then the attempt ends, and what is waited for is this worker still.
            let (name, message) = ("/job:worker/task:1", error?.message ?? "")
            #expect(error?.code == .unavailable && message.hasPrefix(name) && message.firstRange(of: " did not answer for 1.2 seconds") != nil, "\(message)")
            #expect(events.has("waiting for \(name)"))
            chief.cancel()
            await #expect(throws: Status.self) { try await chief.value }
        }
    }

    @Test("a training that loses a task at the same update again and again ends")
    func noFurther() async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            var options = try options(SynchronousReplicas(), steps: 1_000_000, every: nil, in: "")
            options.recovery = TrainingRecovery(timeout: .seconds(20), attemptLimit: 1)
            let (lost, losing) = AsyncStream<Void>.makeStream()
            let trainer = Trainer(options, cluster: cluster.spec) { event in if case .step(let step) = event, step.step == 3 { losing.yield() } }
            let killer = Task { for await _ in lost { try await cluster.restart("ps", 0) } }
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            #expect(error?.message.firstRange(of: "got no further than update") != nil, "\(error?.message ?? "")")
            losing.finish()
            try await killer.value
        }
    }

    @Test("a step that waits for other workers says so")
    func stalledStep() async throws {
        try await TestClusterOfOneWaiting.run(options(SynchronousReplicas(), steps: 10, every: nil, in: ""))
    }

    @Test("values that make no sense are refused before anything starts")
    func wrongOptions() async throws {
        for recovery in [TrainingRecovery(timeout: .zero), TrainingRecovery(attemptLimit: 0)] {
            var options = try options(SingleDevice(), steps: 1, in: "run")
            options.recovery = recovery
            let trainer = Trainer(options)
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            #expect(error?.code == .invalidArgument)
        }
        var options = try options(AllReduceReplicas(), steps: 1, in: "run")
        options.recovery = TrainingRecovery()
        let trainer = Trainer(options, cluster: try ClusterSpec(["worker": ["127.0.0.1:1", "127.0.0.1:2"]]))
        let error = await #expect(throws: Status.self) { try await trainer.run(asWorker: 1) }
        #expect(error?.code == .unimplemented && error?.message.firstRange(of: "needs all clients in one process") != nil)
    }
}

/// A synchronous training of two workers of which only one's client runs.
private enum TestClusterOfOneWaiting {
    static func run(_ options: TrainingOptions) async throws {
        try await MortalCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = options
            options.stallInterval = .milliseconds(50)
            let (notices, noticing) = AsyncStream<String>.makeStream()
            let trainer = Trainer(options, cluster: cluster.spec) { event in if case .notice(let text) = event { noticing.yield(text) } }
            let report = Task { try await trainer.run(asWorker: 0) }
            for await notice in notices where notice.firstRange(of: "the step of worker 0 after update 0 has not ended") != nil {
                #expect(notice.firstRange(of: "/job:worker/task:0") != nil && notice.firstRange(of: "gradients of other workers") != nil)
                break
            }
            report.cancel()
            await #expect(throws: Status.self) { try await report.value }
        }
    }
}
