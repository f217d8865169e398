import Synchronization
import Testing
import Weir
import WeirTesting

@testable import WeirTrain

@Suite("Trials that train", .timeLimit(.minutes(2)))
struct TrainingTrialRunnerTests {
    private let scratch = FileSystemScratch()

    private let runner = TrainingTrialRunner { configuration in
        let table = try Table.iris()
        guard let rate = configuration["learning-rate"]?.double else { throw Status.invalidArgument("expected learning-rate, found \(configuration)") }
        let network = DenseNetwork(inputCount: table.featureCount, hidden: [8], classCount: table.classes.count)
        var options = try TrainingOptions(network, table: table, optimizer: Momentum(learningRate: .constant(rate)), batchSize: 16)
        if case .integer(let interval)? = configuration["every"] { options.evaluationInterval = interval }
        return options
    }

    private func trial(_ attempt: Int = 1, rate: Double = 0.05, every: Int? = nil, from report: TrialReport? = nil) -> Trial {
        var configuration: [String: ParameterValue] = ["learning-rate": .number(rate)]
        configuration["every"] = every.map { .integer($0) }
        return Trial(
            number: 0, configuration: configuration, rung: 0, attempt: attempt, directory: "\(scratch.path)/run-\(attempt)",
            checkpoint: report?.checkpoint, checkpointStep: report?.step ?? 0, history: [])
    }

    /// Runs a trial; returns its reports, the last of which is the result.
    private func run(_ trial: Trial, until steps: Int, on server: SweepServer = .slot(0)) async throws -> [TrialReport] {
        try await Self.run(runner, trial, until: steps, on: server)
    }

    private static func run(_ runner: TrainingTrialRunner, _ trial: Trial, until steps: Int, on server: SweepServer) async throws -> [TrialReport] {
        let reports = Mutex<[TrialReport]>([])
        let last = try await runner.run(trial, until: steps, on: server) { report in reports.withLock { $0.append(report) } }
        return reports.withLock { $0 } + [last]
    }

    @Test("a run reports ten times, with losses, the model's metrics and a checkpoint of the step")
    func reports() async throws {
        let reports = try await run(trial(), until: 30)
        #expect(reports.map(\.step) == Array(stride(from: 3, through: 30, by: 3)))
        for report in reports {
            #expect(Set(report.metrics.keys) == ["test_loss", "train_loss", "test_accuracy"])
            #expect(report.checkpoint == "\(scratch.path)/run-1/model-\(report.step)")
        }
        #expect(try #require(reports.last?.metrics["test_loss"]) < #require(reports.first?.metrics["test_loss"]))
    }

    @Test("a promoted trial ends with the numbers of one that was not interrupted")
    func promotion() async throws {
        let whole = try await run(trial(), until: 40)
        let first = try await run(trial(2), until: 20)
        let rest = try await run(trial(3, from: first.last), until: 40)
        #expect(rest.first?.step == 22)
        for name in ["test_loss", "test_accuracy"] { #expect(rest.last?.metrics[name] == whole.last?.metrics[name]) }
    }

    @Test("a run whose checkpoint is complete reports it again")
    func complete() async throws {
        let first = try await run(trial(), until: 10)
        let again = try await run(trial(2, from: first.last), until: 10)
        #expect(again.count == 1 && again[0].checkpoint == first.last?.checkpoint)
        #expect(again[0].metrics["test_loss"] == first.last?.metrics["test_loss"])
    }

    @Test("a trial on a server gets the numbers of one in this process, also beside another trial there")
    func server() async throws {
        let here = try await run(trial(), until: 20)
        try await TestCluster.with([("worker", 2)]) { cluster in
            // The second task: the first is not needed.
            let address = try #require(cluster.spec.address(job: "worker", task: 1))
            let (runner, first, second) = (runner, trial(2), trial(3, rate: 0.2))
            async let one = Self.run(runner, first, until: 20, on: .address(address))
            async let other = Self.run(runner, second, until: 20, on: .address(address))
            let (there, beside) = try await (one, other)
            #expect(there.map(\.step) == here.map(\.step))
            for (a, b) in zip(there, here) {
                let (x, y) = (a.metrics["test_loss"] ?? .nan, b.metrics["test_loss"] ?? .nan)
                #expect(abs(x - y) <= 1e-5 * abs(y))
            }
            #expect(beside.last?.metrics["test_loss"] != here.last?.metrics["test_loss"])
        }
    }

    @Test("a server that does not answer is lost, so that the trial is run elsewhere")
    func noServer() async throws {
        let error = await #expect(throws: Status.self) { try await run(trial(), until: 20, on: .address("127.0.0.1:1")) }
        #expect(error?.code == .unavailable && error?.message.contains("127.0.0.1:1") == true)
    }

    @Test("a configuration that means nothing ends the trial with its own error")
    func wrongConfiguration() async throws {
        let trial = Trial(number: 0, configuration: [:], rung: 0, attempt: 1, directory: scratch.path, checkpoint: nil, checkpointStep: 0, history: [])
        let error = await #expect(throws: Status.self) { try await run(trial, until: 20) }
        #expect(error?.code == .invalidArgument && error?.message.contains("expected learning-rate") == true)
    }

    @Test("a run that is cancelled ends")
    func cancellation() async throws {
        let (reports, continuation) = AsyncStream.makeStream(of: TrialReport.self)
        let endless = trial(every: 5)
        let task = Task { [runner, endless] in try await runner.run(endless, until: 1_000_000_000, on: .slot(0)) { continuation.yield($0) } }
        var iterator = reports.makeAsyncIterator()
        _ = await iterator.next()
        task.cancel()
        let error = await #expect(throws: Status.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test("a sweep trains its trials, keeps the best checkpoint, and has nothing to do when it is run again")
    func sweep() async throws {
        let specification = try SweepSpecification(
            base: ["steps": .integer(30)], parameters: [SweepParameter("learning-rate", .values([.number(0.00001), .number(0.1), .number(1e38)]))],
            method: .grid, objective: SweepObjective("test_loss", .min))
        let directory = "\(scratch.path)/sweep"
        let scheduler = SweepScheduler(specification, servers: [.slot(0), .slot(1)], runner: runner, directory: directory)
        let result = try await scheduler.run()
        #expect(result.trials.map(\.number) == [1, 0, 2])
        #expect(result.trials[2].failure?.message.contains("diverged") == true)
        let best = try #require(result.best)
        #expect(best.history.count == 10 && best.checkpoint == "\(directory)/trial-1/run-1/model-30")
        #expect(result.trials[1].checkpoint == nil)
        let (resumed, continuation) = AsyncStream.makeStream(of: SweepEvent.self)
        let again = SweepScheduler(specification, servers: [.slot(0)], runner: runner, directory: directory) { continuation.yield($0) }
        #expect(try await again.run().trials.map(\.value) == result.trials.map(\.value))
        continuation.finish()
        let events = await resumed.reduce(into: []) { $0.append($1) }
        #expect(events == [.resumed(ended: [0: try #require(result.trials[1].value), 1: try #require(best.value)], failed: [2])])
    }

    @Test("a server that ends in the middle of a trial is lost, and the trial goes on elsewhere from its last checkpoint")
    func lostServer() async throws {
        let specification = try SweepSpecification(
            base: ["steps": .integer(300), "every": .integer(10)], parameters: [SweepParameter("learning-rate", .values([.number(0.01), .number(0.02)]))],
            method: .grid, objective: SweepObjective("test_loss", .min))
        try await TestCluster.with([("worker", 2)]) { cluster in
            let tasks = cluster.spec.tasks
            let (events, continuation) = AsyncStream.makeStream(of: SweepEvent.self)
            let scheduler = SweepScheduler(
                specification, servers: tasks.map { .address($0.address) }, runner: runner, directory: "\(scratch.path)/sweep"
            ) { continuation.yield($0) }
            let sweep = Task { try await scheduler.run() }
            for await event in events { if case .reported(trial: 0, _) = event { break } }
            // The first trial is on the first server.
            await cluster.servers[0].stop()
            let result = try await sweep.value
            #expect(result.trials.count == 2 && result.trials.allSatisfy { $0.value != nil && $0.step == 300 })
            #expect(result.servers.map(\.lossCount) == [1, 0])
            let moved = try #require(result.trials.first { $0.number == 0 })
            #expect(moved.runCount == 2 && moved.history.map(\.step) == Array(stride(from: 10, through: 300, by: 10)))
        }
    }

    @Test("one device of a task that the cluster does not have is refused")
    func noTask() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        let setting = TrainingSetting(
            cluster: try ClusterSpec(["worker": [2: "127.0.0.1:1"]]), optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)
        let error = #expect(throws: Status.self) { try SingleDevice(task: DeviceName(job: "worker", replica: nil, task: 1)).plan(model, setting) }
        #expect(error?.code == .invalidArgument && error?.message.contains("/job:worker/task:2") == true)
        let plan = try SingleDevice(task: DeviceName(job: "worker", replica: nil, task: 2)).plan(model, setting)
        #expect(plan.clients.count == 1 && plan.clients[0].deviceFilters == ["/job:worker/task:2"])
    }
}
