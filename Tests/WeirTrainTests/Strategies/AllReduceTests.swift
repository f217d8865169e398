import Synchronization
import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("All-reduce replicas", .serialized)
struct AllReduceTests {
    @Test("workers that sum among themselves have the gradients of one device", arguments: [DType.float32, .float64], [3, 4])
    func gradients(_ dtype: DType, _ workers: Int) async throws {
        try await TestCluster.with([("worker", workers)]) { cluster in
            for seed in UInt64(1)...3 {
                try await SameGradients.check(AllReduceReplicas(), seed: seed, dtype: dtype, shards: workers, cluster: cluster.spec)
            }
        }
    }

    @Test("the same number of shards has the same bits on 1, 2, 4 and 8 workers, in every run", arguments: UInt64(1)...2)
    func bits(_ seed: UInt64) async throws {
        let model = try ModelGraph(RandomNetwork(seed: seed, dtype: .float32))
        let rows = try RandomNetwork.table(rows: 8 * 3, seed: seed)
        let strategy = AllReduceReplicas(shards: 8, bucketByteCount: 3000)
        let expected = try await OneStep.run(strategy, model, rows: rows, batchSize: 3)
        for workers in [1, 2, 4, 8, 2] {
            try await TestCluster.with([("worker", workers)]) { cluster in
                let found = try await OneStep.run(strategy, model, rows: rows, batchSize: 3, cluster: cluster.spec)
                #expect(found.gradients == expected.gradients, "\(workers) workers, seed \(seed)")
            }
        }
    }

    @Test("many steps of 8 shards have the same bits on 1, 2, 4 and 8 workers")
    func trainingBits() async throws {
        var expected: [Double] = []
        for workers in [1, 2, 4, 8] {
            try await TestCluster.with([("worker", workers)]) { cluster in
                let losses = try await evaluatedLosses(AllReduceReplicas(shards: 8, bucketByteCount: 100), stepCount: 6, cluster: cluster.spec)
                #expect(losses.count == 6 && Set(losses).count == 6)
                if expected.isEmpty { expected = losses }
                #expect(losses == expected, "\(workers) workers")
            }
        }
    }

    /// The losses of held-out rows after each step of a small network.
    private func evaluatedLosses(_ strategy: any Strategy, seed: Int = 1, stepCount: Int, cluster: ClusterSpec) async throws -> [Double] {
        let network = DenseNetwork(inputCount: 4, hidden: [5], classCount: 3)
        var options = try TrainingOptions(
            network, table: .iris(), strategy: strategy, optimizer: Adam(learningRate: 0.02), stepCount: stepCount, batchSize: 4, seed: seed)
        options.evaluationInterval = 1
        let losses = Mutex<[Double]>([])
        _ = try await Trainer(options, cluster: cluster) { event in
            if case .evaluated(let evaluation) = event { losses.withLock { $0.append(evaluation.testLoss) } }
        }.run()
        return losses.withLock { $0 }
    }

    @Test("trainings on one cluster, in turn and at the same time, do not get each other's sums, variables or numbers of steps")
    func trainings() async throws {
        try await TestCluster.with([("worker", 2)]) { cluster in
            let strategy = AllReduceReplicas(shards: 4)
            let first = try await evaluatedLosses(strategy, seed: 1, stepCount: 12, cluster: cluster.spec)
            let second = try await evaluatedLosses(strategy, seed: 2, stepCount: 9, cluster: cluster.spec)
            #expect(first.count == 12 && second.count == 9 && first[0] != second[0])
            for _ in 0..<3 {
                async let one = evaluatedLosses(strategy, seed: 1, stepCount: 12, cluster: cluster.spec)
                async let two = evaluatedLosses(strategy, seed: 2, stepCount: 9, cluster: cluster.spec)
                async let three = evaluatedLosses(strategy, seed: 1, stepCount: 12, cluster: cluster.spec)
                #expect(try await one == first)
                #expect(try await two == second)
                #expect(try await three == first)
            }
        }
    }

    @Test("groups of a run, and of different runs, have different keys")
    func keys() {
        let keys = [1, 2, 3, 1 << 20, Int(Int32.max)].flatMap { run in (0..<8).map { WorkerExchange.groupKey(run, $0) } }
        #expect(Set(keys).count == keys.count && keys.allSatisfy { (1...Int(Int32.max)).contains($0) })
        #expect(WorkerExchange.groupKey(7, 3) == WorkerExchange.groupKey(7, 3))
    }

    @Test("processes with the same options agree on the run, and those with another name or other options do not")
    func runNumbers() {
        let texts = ["", "a", "b", "a\n", "single"]
        #expect(Set(texts.map(TrainingSetting.runNumber)).count == texts.count)
        #expect(texts.allSatisfy { (1...Int(Int32.max)).contains(TrainingSetting.runNumber(of: $0)) })
    }

    @Test("one worker is a group of one, also in a process of its own")
    func oneWorker() async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            let network = DenseNetwork(inputCount: 4, hidden: [5], classCount: 3)
            let options = try TrainingOptions(network, table: .iris(), strategy: AllReduceReplicas(shards: 2), stepCount: 5)
            let trainer = Trainer(options, cluster: cluster.spec)
            let report = try await trainer.run(asWorker: 0)
            #expect(report.updatesByWorker == [5])
            #expect(try await trainer.run().updatesByWorker == [5])
            let error = await #expect(throws: Status.self) { try await trainer.run(asWorker: 1) }
            #expect(error?.message.contains("Task 1 is not in job 'worker'") == true)
        }
    }

    @Test("training learns, all workers make as many updates, and the bytes of their sums are counted")
    func training() async throws {
        try await TestCluster.with([("worker", 2)]) { cluster in
            let table = try Table.iris()
            let network = DenseNetwork(inputCount: 4, hidden: [16], classCount: 3)
            let options = try TrainingOptions(
                network, table: table, strategy: AllReduceReplicas(shards: 4), optimizer: Adam(learningRate: 0.02), stepCount: 60, batchSize: 16)
            let report = try await Trainer(options, cluster: cluster.spec).run()
            #expect(report.updatesByWorker == [60, 60])
            // Each step has the rows of four shards, whichever worker has them.
            #expect((report.samplesPerSecond * report.seconds).rounded() == 60 * 4 * 16)
            #expect(report.testAccuracy >= 0.9)
            // Each worker receives all gradients of 4·16 + 16 + 16·3 + 3 parameters once.
            #expect(report.bytesPerStep == 2 * 131 * 4)
            let utilization = try #require(report.utilization)
            #expect(utilization.links.map { [$0.source, $0.destination] } == [[0, 1], [1, 0]].map { $0.map { "/job:worker/replica:0/task:\($0)" } })
            #expect(utilization.links.map(\.byteCount) == [131 * 4, 131 * 4])
        }
    }

    @Test("when a worker is lost, the others end with an error that names it")
    func lostWorker() async throws {
        try await TestCluster.with([("worker", 3)]) { cluster in
            let network = DenseNetwork(inputCount: 4, hidden: [16], classCount: 3)
            let options = try TrainingOptions(network, table: .iris(), strategy: AllReduceReplicas(), stepCount: 1_000_000)
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

    @Test("a worker whose step fails because another one is lost is not blamed", arguments: [0, 1])
    func rootCause(_ lost: Int) async throws {
        try await TestCluster.with([("worker", 2)]) { cluster in
            let network = DenseNetwork(inputCount: 4, hidden: [16], classCount: 3)
            let options = try TrainingOptions(network, table: .iris(), strategy: AllReduceReplicas(), stepCount: 1_000_000)
            let (steps, begun) = AsyncStream<Void>.makeStream()
            let notices = Mutex<[String]>([])
            let trainer = Trainer(options, cluster: cluster.spec) { event in
                if case .step(let step) = event, step.step >= 5 { begun.yield() }
                if case .notice(let text) = event { notices.withLock { $0.append(text) } }
            }
            let report = Task { try await trainer.run() }
            for await _ in steps { break }
            await (try cluster.server("worker", lost)).stop()
            let error = await #expect(throws: Status.self) { try await report.value }
            let found = [error?.message ?? ""] + notices.withLock { $0 }
            #expect(error?.code == .unavailable && found[0].contains("/job:worker/replica:0/task:\(lost)"), "\(found)")
            #expect(!found.contains { $0.contains("task:\(1 - lost) is gone") || $0.contains("worker \(1 - lost) is lost") }, "\(found)")
        }
    }

    @Test("a number of shards that the workers do not divide is refused before anything starts", arguments: [0, 3, 5])
    func shards(_ count: Int) throws {
        let model = try ModelGraph(RandomNetwork(seed: 1, dtype: .float32))
        let cluster = try ClusterSpec(["worker": ["127.0.0.1:1", "127.0.0.1:2"]])
        let setting = TrainingSetting(cluster: cluster, optimizer: GradientDescent(learningRate: 0.1), batchSize: 2)
        let error = #expect(throws: Status.self) { try AllReduceReplicas(shards: count).plan(model, setting) }
        #expect(error?.code == .invalidArgument && error?.message.contains("found \(count)") == true)
    }

    @Test("buckets are closed when they are full, in the order of the backward pass, and hold one type of one device")
    func buckets() {
        let sizes: [(DType, Int)] = [(.float32, 10), (.float32, 5), (.float64, 4), (.float32, 100), (.float32, 1)]
        var gradients = sizes.map { GradientBuckets.Member(dtype: $0, elementCount: $1) }
        #expect(GradientBuckets(gradients, byteCount: 100).buckets == [[4, 3], [2], [1, 0]])
        #expect(GradientBuckets(gradients, byteCount: 1).buckets == [[4], [3], [2], [1], [0]])
        #expect(GradientBuckets(gradients, byteCount: .max).buckets == [[4, 3, 1, 0], [2]])
        #expect(GradientBuckets([], byteCount: 1).buckets.isEmpty)
        gradients[3].device = "/cpu:1"
        #expect(GradientBuckets(gradients, byteCount: .max).buckets == [[4, 1, 0], [3], [2]])
    }
}
