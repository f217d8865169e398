import Testing
import Weir
import WeirGraph
import WeirRuntime
import WeirTesting

@testable import WeirTrain

@Suite("Strategies that split by layer", .serialized)
struct LayerStrategyTests {
    private static func devices(_ count: Int) -> [String] { (0..<count).map { "/cpu:\($0)" } }
    private func setting(_ deviceCount: Int, batchSize: Int = 8) -> TrainingSetting {
        TrainingSetting(devices: LayerStrategyTests.devices(deviceCount), optimizer: GradientDescent(learningRate: 0.1), batchSize: batchSize)
    }
    private func network(_ hidden: [Int] = [8, 8, 8]) throws -> ModelGraph {
        try ModelGraph(DenseNetwork(inputCount: 4, hidden: hidden, classCount: 3))
    }

    @Test("stages of layers have the gradients of one device", arguments: UInt64(1)...6, [DType.float32, .float64])
    func layers(_ seed: UInt64, _ dtype: DType) async throws {
        try await SameGradients.check(
            LayerParallel(), seed: seed, dtype: dtype, shards: 1, batchSize: 12, devices: LayerStrategyTests.devices(3),
            localDevices: LocalDevices(cpuCount: 3))
    }

    @Test("a pipeline has the gradients of one device", arguments: UInt64(1)...4, [(2, 1), (2, 4), (3, 2), (4, 6), (1, 3)])
    func pipeline(_ seed: UInt64, _ sizes: (stages: Int, microBatches: Int)) async throws {
        for order in PipelineSchedule.Order.allCases {
            for dtype in [DType.float32, .float64] {
                try await SameGradients.check(
                    PipelineParallel(microBatches: sizes.microBatches, order: order), seed: seed, dtype: dtype, shards: 1, batchSize: 12,
                    devices: LayerStrategyTests.devices(sizes.stages), localDevices: LocalDevices(cpuCount: sizes.stages))
            }
        }
    }

    @Test("replicas of a pipeline have the gradients of one device", arguments: UInt64(1)...3, [DType.float32, .float64])
    func replicas(_ seed: UInt64, _ dtype: DType) async throws {
        try await SameGradients.check(
            DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 3)), seed: seed, dtype: dtype, shards: 2, batchSize: 6,
            devices: LayerStrategyTests.devices(4), localDevices: LocalDevices(cpuCount: 4))
    }

    @Test("stages on the tasks of a cluster have the gradients of one device", arguments: [DType.float32, .float64])
    func cluster(_ dtype: DType) async throws {
        try await TestCluster.with([("worker", 2)]) { cluster in
            for seed in UInt64(1)...3 {
                try await SameGradients.check(LayerParallel(), seed: seed, dtype: dtype, shards: 1, batchSize: 8, cluster: cluster.spec)
                try await SameGradients.check(PipelineParallel(microBatches: 4), seed: seed, dtype: dtype, shards: 1, batchSize: 8, cluster: cluster.spec)
                try await SameGradients.check(
                    DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 2)), seed: seed, dtype: dtype, shards: 2, batchSize: 4,
                    cluster: cluster.spec)
            }
        }
    }

    @Test("both orders give the same bits, because gradients are summed in the order of the micro-batches")
    func sameBits() async throws {
        let model = try ModelGraph(RandomNetwork(seed: 3, dtype: .float32))
        let rows = try RandomNetwork.table(rows: 8, seed: 3)
        var found: [[String: [Double]]] = []
        for order in PipelineSchedule.Order.allCases {
            found.append(
                try await OneStep.run(
                    PipelineParallel(microBatches: 4, order: order), model, rows: rows, batchSize: 8, devices: LayerStrategyTests.devices(2),
                    localDevices: LocalDevices(cpuCount: 2)
                ).gradients)
        }
        #expect(found[0] == found[1])
    }

    @Test(
        "a table of which one stage gathers rows and another reads all has the gradients of one device",
        arguments: [
            (LayerParallel() as any Strategy, 1), (PipelineParallel(microBatches: 4), 1),
            (DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 2)), 2),
        ])
    func gathered(_ strategy: any Strategy, _ replicas: Int) async throws {
        let model = try ModelGraph(GatherNetwork(readsTable: true))
        let rows = try RandomNetwork.table(rows: 8, seed: 11)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 8)
        let found = try await OneStep.run(
            strategy, model, rows: rows, batchSize: 8 / replicas, devices: LayerStrategyTests.devices(2 * replicas),
            localDevices: LocalDevices(cpuCount: 2 * replicas))
        #expect(try found.difference(from: expected) <= 1e-5)
    }

    /// For each layer's product, whether the forward of micro-batch `later` waits for all of the backward of `earlier`.
    private func waits(_ graph: Graph, _ layer: String, _ stage: Int, forward later: Int, for earlier: Int) throws -> Bool {
        let product = try #require(graph.index["pipeline0/micro\(later)/\(layer)/MatMul"])
        let end = try #require(graph.index["pipeline0/schedule/stage\(stage)/backward\(earlier)"])
        return graph.ancestors(of: [product])[end]
    }

    @Test("in 1F1B, a stage begins no forward before the backward that frees the place of its activations")
    func bound() throws {
        let (stages, microBatches) = (4, 8)
        let names = ["hidden1", "hidden2", "hidden3", "output"]
        let rules = LayerAssignment.rules(names.enumerated().map { .init($1, "/cpu:\($0)") })
        for order in PipelineSchedule.Order.allCases {
            let plan = try PipelineParallel(microBatches: microBatches, order: order, assignment: rules).plan(network(), setting(stages))
            let graph = plan.clients[0].graph
            let schedule = try PipelineSchedule(order, stages: stages, microBatches: microBatches)
            for stage in 0..<stages {
                let live = schedule.liveMicroBatchCount(ofStage: stage)
                for later in live..<max(live, microBatches) { #expect(try waits(graph, names[stage], stage, forward: later, for: later - live)) }
                // The end of a backward is the end of all of it: the sum of the stage's gradients comes before.
                if live < microBatches { #expect(try !waits(graph, names[stage], stage, forward: live - 1, for: 0)) }
            }
            #expect(graph.topologicalOrder().count == graph.nodes.count, "the control edges make no cycle")
        }
    }

    @Test("a stage without variables waits for the backward of the next stage, or the cut's activations would pile up there")
    func boundWithoutVariables() throws {
        struct Scaled: Classifier {
            let inputs = [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)]
            func predictions(_ inputs: ModelInputs) -> Output {
                let builder = inputs.builder
                var x = builder.nameScope("scale") { builder.add("Mul", [inputs["features"], builder.scalar(0.5, .float32)], name: "product")[0] }
                for name in ["a", "b"] {
                    x = builder.nameScope(name) { x.matMul(builder.variable("w") { builder.filled(Shape(4, 4), with: 0.5) }.value) }
                }
                return x
            }
        }
        let rules = LayerAssignment.rules([.init("a", "/cpu:1"), .init("b", "/cpu:2")])
        let graph = try PipelineParallel(microBatches: 8, assignment: rules).plan(ModelGraph(Scaled()), setting(3)).clients[0].graph
        let fourth = try #require(graph.index["pipeline0/micro3/scale/product"]), third = try #require(graph.index["pipeline0/micro2/scale/product"])
        let end = try #require(graph.index["pipeline0/schedule/stage1/backward0"])
        #expect(graph.ancestors(of: [fourth])[end])
        #expect(!graph.ancestors(of: [third])[end])
    }

    @Test("variables are read once in a step, and are on their stage's device; one activation and one gradient cross a cut")
    func placement() throws {
        let client = try #require(try LayerParallel(assignment: .rules([.init("hidden2", "/cpu:1")])).plan(network(), setting(2)).clients.first)
        let placed = try Placer(devices: LocalDevices(cpuCount: 2).placementDevices).place(client.graph)
        let step = placed.ancestors(of: [client.step.id])
        func device(_ name: String) -> Int? { placed.node(named: name)?.device?.index }
        #expect(device("hidden1/kernel/handle") == 0 && device("hidden2/kernel/handle") == 1 && device("output/bias/handle") == 1)
        #expect(placed.nodes.indices.filter { step[$0] && placed.nodes[$0].op.variableUse == .read }.count == 8)
        var crossing: [String: Int] = [:]
        for id in placed.nodes.indices where step[id] {
            for input in placed.nodes[id].inputs where placed.nodes[input.node].device != placed.nodes[id].device {
                crossing["\(placed.nodes[input.node].name):\(input.index)"] = placed.nodes[input.node].device?.index
            }
        }
        #expect(crossing.values.sorted() == [0, 1], "\(crossing.keys.sorted())")
    }

    @Test(
        "a split that is impossible is one error, before anything starts",
        arguments: [
            (LayerParallel() as any Strategy, 5, "need as many layers; the model has 4: hidden1, hidden2, hidden3, output"),
            (LayerParallel(stages: 3), 2, "needs a device for each of 3 stages; found 2: /cpu:0, /cpu:1"),
            (LayerParallel(stages: 0), 2, "at least 1 stage"),
            (LayerParallel(assignment: .rules([.init("nothing", "/cpu:0")])), 2, "No layer is named 'nothing'"),
            (PipelineParallel(microBatches: 3), 2, "8 rows cannot be cut into 3"),
            (PipelineParallel(microBatches: 0), 2, "8 rows cannot be cut into 0"),
            (PipelineParallel(assignment: .rules([.init("hidden2", "/cpu:1"), .init("output", "/cpu:0")])), 2, "needs contiguous stages: layer 'output'"),
            (DataParallelPipelines(replicas: 2), 3, "3 devices cannot be divided"),
            (DataParallelPipelines(replicas: 2, PipelineParallel(stages: 2)), 3, "each of 2 stages of each of 2 replicas; found 3"),
            (DataParallelPipelines(replicas: 0), 2, "at least 1 stage and 1 replica"),
        ])
    func impossible(_ strategy: any Strategy, _ deviceCount: Int, _ part: String) throws {
        let model = try network()
        let error = #expect(throws: Status.self) { try strategy.plan(model, setting(deviceCount)) }
        #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(error?.message ?? "none")")
    }

    @Test("a loop of single nodes cannot be scheduled in a pipeline, and stages of layers may have one")
    func deadNodes() throws {
        struct Switched: Classifier {
            let inputs = [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)]
            func predictions(_ inputs: ModelInputs) -> Output {
                let builder = inputs.builder
                let branch = builder.add("Switch", [inputs["features"], builder.constant(true)], name: "a/switch")
                let x = builder.add("Merge", [branch[0], branch[1]], name: "a/merge")[0]
                return builder.nameScope("b") { x.matMul(builder.variable("w") { builder.filled(Shape(4, 3), with: 0.5) }.value) }
            }
        }
        let model = try ModelGraph(Switched())
        let error = #expect(throws: Status.self) { try PipelineParallel(microBatches: 2).plan(model, setting(2)) }
        #expect(error?.code == .invalidArgument && error?.message.contains("cannot schedule node 'a/") == true, "\(error?.message ?? "none")")
        #expect(throws: Never.self) { try LayerParallel().plan(model, setting(2)) }
    }

    @Test("a pipeline trains as one device does", arguments: PipelineSchedule.Order.allCases)
    func training(_ order: PipelineSchedule.Order) async throws {
        var options = try TrainingOptions(network([16, 16]), table: .iris(), optimizer: Adam(learningRate: 0.02), stepCount: 30)
        let expected = try await Trainer(options).run()
        options.strategy = PipelineParallel(microBatches: 4, order: order)
        options.devices = LayerStrategyTests.devices(2)
        options.localDevices = try LocalDevices(cpuCount: 2)
        let found = try await Trainer(options).run()
        for (a, b) in zip(found.losses, expected.losses) { #expect(abs(a.loss - b.loss) <= 1e-3 * max(0.1, abs(b.loss)), "step \(a.step)") }
        #expect(found.losses.count == 30 && found.testMetrics.keys.sorted() == expected.testMetrics.keys.sorted())
    }
}
