import Synchronization
import Testing
import Weir
import WeirCluster
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("The start of a training", .timeLimit(.minutes(1)))
struct TrainingStartTests {
    private func options(_ strategy: any Strategy = SynchronousReplicas(), within timeout: Duration? = .seconds(60)) throws -> TrainingOptions {
        let table = try Table.iris()
        var options = try TrainingOptions(
            DenseNetwork(inputCount: table.featureCount, classCount: table.classes.count), table: table, strategy: strategy, stepCount: 10)
        options.startTimeout = timeout
        return options
    }

    /// Runs a body with a cluster whose first worker's server runs, and whose parameter servers are at these addresses.
    private func withWorker(parameterServers: [String], _ body: (ClusterSpec) async throws -> Void) async throws {
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        var server: Server?
        var (spec, tries) = (ClusterSpec(), 0)
        // The worker's port is chosen before it is bound.
        while server == nil {
            spec = try ClusterSpec(["ps": parameterServers, "worker": [ClusterSpec.onLoopback([("worker", 1)]).tasks[0].address]])
            do { server = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options) } catch {
                tries += 1
                guard error.code == .unavailable, tries < 5 else { throw error }
            }
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body(spec)) } catch { result = .failure(error) }
        await server?.stop()
        try result.get()
    }

    // Recovery waits for servers that were lost, and these were never there.
    @Test(
        "a training that some servers do not answer says meanwhile which, and ends with an error that names them all and no other",
        arguments: [nil, TrainingRecovery(timeout: .seconds(30))])
    func silentServers(_ recovery: TrainingRecovery?) async throws {
        let ports = [try HeldPort(accepts: false), try HeldPort(accepts: true)]
        try await withWorker(parameterServers: ports.map(\.address)) { spec in
            let notices = Mutex<[String]>([])
            var options = try options(within: .seconds(6))
            options.recovery = recovery
            let trainer = Trainer(options, cluster: spec) { event in
                if case .notice(let text) = event { notices.withLock { $0.append(text) } }
            }
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            let message = error?.message ?? ""
            #expect(error?.code == .unavailable && message.hasPrefix("Training cannot begin: no answer within 6.0 seconds from "), "\(message)")
            let silent = [0, 1].map { "/job:ps/task:\($0) at \(ports[$0].address) (" }
            #expect(silent.allSatisfy { message.contains($0) }, "\(message)")
            let waiting = notices.withLock { $0.first { $0.hasPrefix("waiting for ") } } ?? ""
            #expect(silent.allSatisfy { waiting.contains($0) } && waiting.contains("; training ends in "), "\(waiting)")
            #expect(!message.contains("/job:worker/task:0 at "), "\(message)")
        }
    }

    @Test("the reason says what is wrong with an address")
    func reasons() async throws {
        let (refusing, silent) = (try HeldPort(accepts: false), try HeldPort(accepts: true))
        // A busy machine may take longer to refuse than the time for an answer.
        #expect(["connection refused", "no answer"].contains(await SilentTasks.silence(of: refusing.address)))
        #expect(await SilentTasks.silence(of: silent.address) == "no answer")
        #expect(["unknown host", "no answer"].contains(await SilentTasks.silence(of: "no-such-host.invalid:2222")))
    }

    @Test("a training needs the tasks of its masters and those that their sessions use")
    func neededTasks() throws {
        let spec = try ClusterSpec(["ps": ["a:1"], "worker": ["b:1", "c:1"]])
        let plan = try Trainer(options(), cluster: spec).checkedPlan()
        #expect(try SilentTasks(of: plan.clients, in: spec).tasks == spec.tasks)
        let second = try SilentTasks(of: [plan.clients[1]], in: spec)
        #expect(second.tasks.map(\.address) == ["a:1", "c:1"])
        #expect(second.descriptions == ["/job:ps/task:0 at a:1 (no answer)", "/job:worker/task:1 at c:1 (no answer)"])
    }

    @Test("a training that waits for its servers ends when it is cancelled, also without a limit")
    func cancelled() async throws {
        let (notices, noticed) = AsyncStream<Void>.makeStream()
        let ports = [try HeldPort(accepts: false), try HeldPort(accepts: true)]
        let spec = try ClusterSpec(["ps": [ports[0].address], "worker": [ports[1].address]])
        let trainer = Trainer(try options(within: nil), cluster: spec) { event in
            if case .notice = event { noticed.yield() }
        }
        let training = Task { try await trainer.run() }
        for await _ in notices { break }
        training.cancel()
        let error = await #expect(throws: Status.self) { try await training.value }
        #expect(error?.code == .cancelled)
    }

    @Test("two tasks at one address are refused before anything starts, by those who need both", arguments: [false, true])
    func oneAddress(_ sameJob: Bool) async throws {
        let jobs = sameJob ? ["ps": ["b:1"], "worker": ["a:1", "a:1"]] : ["ps": ["b:1", "a:1"], "worker": ["a:1"]]
        let spec = try ClusterSpec(jobs)
        let error = await #expect(throws: Status.self) { try await Trainer(options(), cluster: spec).run() }
        let names = sameJob ? "/job:worker/task:0 and /job:worker/task:1" : "/job:ps/task:1 and /job:worker/task:0"
        #expect(error == .invalidArgument("Cluster: expected each task at an address of its own, found \(names) both at a:1"))
        // A training in this process does not use the cluster.
        #expect(throws: Never.self) { try Trainer(options(SingleDevice()), cluster: spec).checkedPlan() }
    }

    @Test("a worker that is lost before training begins ends its client, which waits for the chief")
    func lostBeforeBeginning() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let (notices, noticed) = AsyncStream<Void>.makeStream()
            let trainer = Trainer(try options(SynchronousReplicas(required: 1)), cluster: cluster.spec) { event in
                if case .notice(let text) = event, text.hasPrefix("worker 1 waits for the chief") { noticed.yield() }
            }
            let training = Task { try await trainer.run(asWorker: 1) }
            for await _ in notices { break }
            await (try cluster.server("worker", 1)).stop()
            let error = await #expect(throws: Status.self) { try await training.value }
            #expect(error?.code == .unavailable && error?.message.contains("/job:worker/replica:0/task:1") == true, "\(error?.message ?? "")")
        }
    }

    @Test("a task that was used before it answered a poll is lost when it does not answer the next one")
    func neverPolled() async throws {
        let port = try HeldPort(accepts: false)
        let monitor = TaskMonitor(try ClusterSpec(["worker": [port.address]]))
        monitor.recordAnswer(of: port.address)
        let error = await #expect(throws: Status.self) {
            try await monitor.watch { _, sight in if case .lost(let reason) = sight { throw Status.unavailable(reason) } }
        }
        #expect(error?.message.hasPrefix("\(port.address) does not answer: ") == true)
    }
}
