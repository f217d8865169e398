import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("All-reduce over workers with several devices", .serialized)
struct AllReduceCombinationTests {
    private static let twoDevices = ["/cpu:0", "/cpu:1"]
    private static var options: ServerOptions {
        var options = ServerOptions()
        options.runtime.cpuCount = 2
        return options
    }

    @Test("towers on each device of each worker have the gradients of one device", arguments: [DType.float32, .float64])
    func towers(_ dtype: DType) async throws {
        try await TestCluster.with([("worker", 2)], options: AllReduceCombinationTests.options) { cluster in
            for seed in UInt64(1)...3 {
                try await SameGradients.check(
                    AllReduceReplicas(), seed: seed, dtype: dtype, shards: 4, cluster: cluster.spec, devices: AllReduceCombinationTests.twoDevices)
            }
        }
    }

    @Test("the same number of shards has the same bits on any number of devices and workers", arguments: UInt64(1)...2)
    func bits(_ seed: UInt64) async throws {
        let model = try ModelGraph(RandomNetwork(seed: seed, dtype: .float32))
        let rows = try RandomNetwork.table(rows: 8 * 3, seed: seed)
        let strategy = AllReduceReplicas(shards: 8, bucketByteCount: 3000)
        let expected = try await OneStep.run(strategy, model, rows: rows, batchSize: 3)
        for count in [1, 2, 4] {
            let found = try await OneStep.run(
                InGraphReplication(shards: 8), model, rows: rows, batchSize: 3, devices: (0..<count).map { "/cpu:\($0)" },
                localDevices: LocalDevices(cpuCount: count))
            #expect(found.gradients == expected.gradients, "\(count) devices in one graph, seed \(seed)")
        }
        for workers in [1, 2] {
            try await TestCluster.with([("worker", workers)], options: AllReduceCombinationTests.options) { cluster in
                let found = try await OneStep.run(
                    strategy, model, rows: rows, batchSize: 3, cluster: cluster.spec, devices: AllReduceCombinationTests.twoDevices)
                #expect(found.gradients == expected.gradients, "\(workers) workers with 2 devices, seed \(seed)")
            }
        }
    }

    @Test(
        "workers that split the model over their own devices have the gradients of one device",
        arguments: [
            (LayerParallel() as any InGraphStrategy, 2), (PipelineParallel(microBatches: 2), 2), (TensorParallel(), 2),
            (MeshParallel(["data": 2]), 4), (MeshParallel(["model": 2]), 2), (DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 2)), 4),
            (InGraphReplication(), 4),
        ])
    func combined(_ strategy: any InGraphStrategy, _ shards: Int) async throws {
        for dtype in [DType.float32, .float64] {
            // Variables stay on the workers, which would refuse those of another type.
            try await TestCluster.with([("worker", 2)], options: AllReduceCombinationTests.options) { cluster in
                try await SameGradients.check(
                    AllReduceReplicas(of: strategy, bucketByteCount: 4096), seed: 2, dtype: dtype, shards: shards, cluster: cluster.spec,
                    devices: AllReduceCombinationTests.twoDevices)
            }
        }
    }

    @Test("each device that has variables is in a group of its own, with the same device of the other workers")
    func groups() throws {
        let cluster = try ClusterSpec(["worker": ["127.0.0.1:1", "127.0.0.1:2"]])
        let setting = TrainingSetting(
            cluster: cluster, devices: AllReduceCombinationTests.twoDevices, optimizer: GradientDescent(learningRate: 0.1), batchSize: 4)
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8, 8, 8], classCount: 3))
        let plan = try AllReduceReplicas(of: LayerParallel()).plan(model, setting)
        for client in plan.clients {
            let sums = client.graph.nodes.filter { $0.op.name == "CollectiveReduceV2" }
            let keys = try sums.map { try #require(client.graph.nodes[$0.inputs[2].node].attributes.tensor("value")).scalar(of: Int32.self) }
            let expected = [0, 1].map { Int32(WorkerExchange.groupKey(setting.runNumber, $0)) }
            #expect(Set(keys) == Set(expected))
            for (sum, key) in zip(sums, keys) {
                #expect(try DeviceName(sum.requestedDevice) == DeviceName("/job:worker/task:\(client.worker)/cpu:\(key == expected[0] ? 0 : 1)"))
            }
        }
        #expect(plan.clients.map(\.shards).map { $0.map(\.number) } == [[0], [1]])
    }

    @Test("a table of which rows are gathered is summed as a whole")
    func gathered() async throws {
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 8, seed: 4)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 8)
        try await TestCluster.with([("worker", 2)], options: AllReduceCombinationTests.options) { cluster in
            let found = try await OneStep.run(
                AllReduceReplicas(), model, rows: rows, batchSize: 2, cluster: cluster.spec, devices: AllReduceCombinationTests.twoDevices)
            #expect(try found.difference(from: expected) <= 1e-5)
        }
    }

    @Test("workers that are pipelines learn")
    func training() async throws {
        try await TestCluster.with([("worker", 2)], options: AllReduceCombinationTests.options) { cluster in
            var options = try TrainingOptions(
                DenseNetwork(inputCount: 4, hidden: [16], classCount: 3), table: .iris(), strategy: AllReduceReplicas(of: PipelineParallel(microBatches: 4)),
                optimizer: Adam(learningRate: 0.02), stepCount: 60, batchSize: 16)
            options.devices = AllReduceCombinationTests.twoDevices
            let report = try await Trainer(options, cluster: cluster.spec).run()
            #expect(report.updatesByWorker == [60, 60])
            #expect(report.testAccuracy >= 0.9)
        }
    }

    @Test("what a worker's devices cannot do is refused before anything starts, as in one process")
    func impossible() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        let cluster = try ClusterSpec(["worker": ["127.0.0.1:1", "127.0.0.1:2"]])
        func failure(_ strategy: any Strategy, devices: [String], partitioning: VariablePartitioning? = nil) -> String {
            let setting = TrainingSetting(
                cluster: cluster, devices: devices, optimizer: GradientDescent(learningRate: 0.1), batchSize: 8, partitioning: partitioning)
            let status = #expect(throws: Status.self) { try strategy.plan(model, setting) }
            #expect(status?.code == .invalidArgument)
            return status?.message ?? ""
        }
        let two = AllReduceCombinationTests.twoDevices
        #expect(failure(AllReduceReplicas(shards: 6), devices: two).contains("the 4 devices divide, at most 4096; found 6"))
        #expect(failure(AllReduceReplicas(of: MeshParallel(["model": 4])), devices: two).contains("needs 4 devices, found 2"))
        #expect(failure(AllReduceReplicas(of: PipelineParallel(microBatches: 3)), devices: two).contains("cannot be cut into 3"))
        #expect(failure(AllReduceReplicas(bucketByteCount: 0), devices: two).contains("at least 1 byte, found 0"))
        #expect(failure(AllReduceReplicas(), devices: two, partitioning: .parts(2)).contains("'allreduce' does not cut variables"))
        let all: [any Strategy] = [
            SingleDevice(), InGraphReplication(), AllReduceReplicas(), LayerParallel(), PipelineParallel(), DataParallelPipelines(replicas: 2),
            TensorParallel(), MeshParallel(["data": 2]), AsynchronousReplicas(), SynchronousReplicas(),
        ]
        for strategy in all { #expect(failure(strategy, devices: []).contains("found none"), "\(strategy.name)") }
    }
}
