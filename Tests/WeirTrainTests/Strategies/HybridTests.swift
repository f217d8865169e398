import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Tables on parameter servers, all-reduce for the rest", .serialized)
struct HybridTests {
    private func options(cpus: Int) -> ServerOptions {
        var options = ServerOptions()
        options.runtime.cpuCount = cpus
        return options
    }

    @Test("networks with embeddings have the gradients of one device", arguments: [DType.float32, .float64], [1, 2, 3])
    func gradients(_ dtype: DType, _ workers: Int) async throws {
        try await TestCluster.with([("ps", 2), ("worker", workers)]) { cluster in
            for seed in UInt64(1)...3 {
                try await SameGradients.check(
                    HybridReplicas(bucketByteCount: 4096), seed: seed, dtype: dtype, shards: workers, kinds: [.embedding], gathersRows: true,
                    cluster: cluster.spec)
            }
        }
    }

    @Test("rows that some workers did not gather, cut tables and several devices change nothing", arguments: [nil, VariablePartitioning.parts(3)], [1, 2])
    func tables(_ partitioning: VariablePartitioning?, _ deviceCount: Int) async throws {
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 4)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12)
        try await TestCluster.with([("ps", 2), ("worker", 2)], options: options(cpus: deviceCount)) { cluster in
            // Twice, so that what the first training left on the servers is there.
            for _ in 0..<2 {
                let found = try await OneStep.run(
                    HybridReplicas(), model, rows: rows, batchSize: 6 / deviceCount, cluster: cluster.spec,
                    devices: (0..<deviceCount).map { "/cpu:\($0)" }, partitioning: partitioning)
                #expect(try found.difference(from: expected) <= 1e-5)
            }
        }
    }

    @Test("the same number of shards has the same bits on 1, 2 and 4 workers, in every run")
    func bits() async throws {
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 16, seed: 6)
        var first: [String: [Double]]?
        for workers in [1, 2, 4, 4] {
            try await TestCluster.with([("ps", 1), ("worker", workers)]) { cluster in
                let found = try await OneStep.run(HybridReplicas(shards: 4), model, rows: rows, batchSize: 4, cluster: cluster.spec)
                #expect(found.gradients == first ?? found.gradients, "\(workers) workers")
                first = found.gradients
            }
        }
    }

    @Test("a step of a training that was killed cannot give its gradient to the next training")
    func lateStep() async throws {
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 4)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12)
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let killed = try await StartedClients(HybridReplicas(), model, rows: rows, cluster: cluster.spec)
            let found = try await OneStep.run(HybridReplicas(), model, rows: rows, batchSize: 6, cluster: cluster.spec, beforeStep: killed.lateStep)
            #expect(try found.difference(from: expected) <= 1e-5)
        }
    }

    @Test("many steps of several workers are those of one device: no gradient is lost, used twice or computed from old rows")
    func steps() async throws {
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 9)
        let names = ["embedding/table", "output/weights"]
        for optimizer in [GradientDescent(learningRate: 0.5), Momentum(learningRate: 0.1), Adam(learningRate: 0.05)] as [any Optimizer] {
            func values(_ started: StartedClients, steps: Int) async throws -> [[Float]] {
                // Each worker runs its steps without waiting for the others, as training does.
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for client in started.loops.indices { group.addTask { for _ in 0..<steps { try await started.step(client) } } }
                    for try await _ in group {}
                }
                var result: [[Float]] = []
                for name in names { result.append(try await started.value(name)) }
                try await started.close()
                return result
            }
            let expected = try await values(StartedClients(SingleDevice(), model, rows: rows, optimizer: optimizer), steps: 20)
            try await TestCluster.with([("ps", 2), ("worker", 3)]) { cluster in
                let found = try await values(StartedClients(HybridReplicas(), model, rows: rows, cluster: cluster.spec, optimizer: optimizer), steps: 20)
                for (name, pair) in zip(names, zip(found, expected)) {
                    let norm = pair.1.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    let distance = zip(pair.0, pair.1).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
                    #expect(distance <= 1e-4 * norm, "\(optimizer.name), \(name): \(distance) of \(norm)")
                }
            }
        }
    }

    @Test("tables are on the parameter servers, all other variables on each worker")
    func placement() throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]])
        let setting = TrainingSetting(cluster: cluster, devices: ["/gpu:0"], optimizer: Momentum(learningRate: 0.1), batchSize: 4)
        let plan = try HybridReplicas().plan(ModelGraph(GatherNetwork()), setting)
        #expect(plan.clients.count == 2 && plan.requiredWorkers == 2)
        for client in plan.clients {
            // The optimizer's variables ask for no device; they are colocated with the model's.
            for handle in client.graph.nodes where handle.op.variableUse == .handle && !handle.requestedDevice.isEmpty {
                let device = try DeviceName(handle.requestedDevice)
                #expect(device.job == (handle.name.hasPrefix("embedding/table") ? "ps" : "worker"), "\(handle.name) on \(device)")
                #expect(device.type == (device.job == "ps" ? nil : "GPU"), "\(handle.name) on \(device)")
            }
            #expect(client.graph.nodes.contains { $0.op.name == "QueueEnqueueV2" } == (client.worker == 1))
            #expect((client.lifecycle.forget != nil) == (client.worker == 0))
        }
    }

    @Test("training learns, all workers make as many updates, and only rows of the table travel")
    func training() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var moved: [Int] = []
            for rowCount in [64, 8192] {
                let table = try RandomNetwork.table(rows: 40, seed: 3)
                var options = try TrainingOptions(
                    GatherNetwork(rowCount: rowCount), table: table, strategy: HybridReplicas(), optimizer: GradientDescent(learningRate: 0.1),
                    stepCount: 10, batchSize: 4)
                options.foldCount = 2
                let report = try await Trainer(options, cluster: cluster.spec).run()
                #expect(report.updatesByWorker == [10, 10])
                moved.append(report.bytesMoved)
            }
            // The larger table alone has 256 KiB.
            #expect(moved.allSatisfy { $0 > 0 && $0 < 200_000 }, "\(moved)")
        }
    }

    @Test("a cluster can be trained on again, by clients of their own")
    func again() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = try TrainingOptions(
                GatherNetwork(), table: RandomNetwork.table(rows: 40, seed: 3), strategy: HybridReplicas(), optimizer: GradientDescent(learningRate: 0.1),
                stepCount: 20, batchSize: 4)
            options.foldCount = 2
            for _ in 0..<2 {
                let trainer = Trainer(options, cluster: cluster.spec)
                async let second = trainer.run(asWorker: 1)
                let first = try await trainer.run(asWorker: 0)
                #expect(first.updatesByWorker[0] == 20)
                #expect(try await second.updatesByWorker[1] == 20)
            }
        }
    }

    @Test("when a worker is lost, training ends with an error that names it")
    func lostWorker() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            var options = try TrainingOptions(
                GatherNetwork(), table: RandomNetwork.table(rows: 40, seed: 3), strategy: HybridReplicas(), stepCount: 1_000_000, batchSize: 4)
            options.foldCount = 2
            let (steps, begun) = AsyncStream<Void>.makeStream()
            let trainer = Trainer(options, cluster: cluster.spec) { event in
                if case .step(let step) = event, step.step >= 5 { begun.yield() }
            }
            let report = Task { try await trainer.run() }
            for await _ in steps { break }
            await (try cluster.server("worker", 2)).stop()
            let error = await #expect(throws: Status.self) { try await report.value }
            #expect(error?.code == .unavailable && error?.message.contains("/job:worker/replica:0/task:2") == true, "\(error.map { "\($0)" } ?? "")")
        }
    }

    @Test("without parameter servers, workers or tables, the error says what to take instead")
    func impossible() throws {
        func failure(_ model: some Model, _ jobs: [String: [String]], shards: Int? = nil) throws -> String {
            let setting = TrainingSetting(cluster: try ClusterSpec(jobs), optimizer: GradientDescent(learningRate: 0.1), batchSize: 2)
            let graph = try ModelGraph(model)
            let status = #expect(throws: Status.self) { try HybridReplicas(shards: shards).plan(graph, setting) }
            #expect(status?.code == .invalidArgument)
            return status?.message ?? ""
        }
        let workers = ["127.0.0.1:1", "127.0.0.1:2"], servers = ["127.0.0.1:3"]
        #expect(try failure(GatherNetwork(), [:]).contains("found no cluster; weir train --cluster local:ps=1,worker=2 starts one"))
        #expect(try failure(GatherNetwork(), ["wrker": workers]).contains("found only wrker; is 'wrker' meant to be 'worker'?"))
        #expect(try failure(GatherNetwork(), ["worker": workers]).contains("found only worker. Without parameter servers, take 'allreduce'"))
        let dense = try failure(GatherNetwork(readsTable: true), ["worker": workers, "ps": servers])
        #expect(dense.contains("embedding/table, output/weights. Take 'allreduce'"), "\(dense)")
        #expect(try failure(GatherNetwork(), ["worker": workers, "ps": servers], shards: 3).contains("found 3"))
    }

    @Test("a strategy that leaves the parameter servers without work says so, others do not", arguments: [true, false])
    func idleServers(_ isIdle: Bool) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let strategy: any Strategy = isIdle ? AllReduceReplicas() : HybridReplicas()
            var options = try TrainingOptions(GatherNetwork(), table: RandomNetwork.table(rows: 40, seed: 3), strategy: strategy, stepCount: 2, batchSize: 4)
            options.foldCount = 2
            let (notices, notice) = AsyncStream<String>.makeStream()
            _ = try await Trainer(options, cluster: cluster.spec) { event in
                if case .notice(let text) = event { notice.yield(text) }
            }.run()
            notice.finish()
            var found: [String] = []
            for await text in notices { found.append(text) }
            #expect(found.contains { $0.contains("the parameter servers have nothing to do") } == isIdle, "\(found)")
        }
    }
}
