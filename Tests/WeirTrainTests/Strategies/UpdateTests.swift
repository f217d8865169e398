import Testing
import Weir
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

/// A dense layer with batch normalization, whose moving average is an update, and a counter of the steps.
private struct NormalizedNetwork: Classifier {
    let inputs = [ModelInput("features", .float32, [RandomNetwork.featureCount]), ModelInput("labels", .int32)]

    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let hidden = builder.nameScope("norm") {
            let weights = builder.variable("weights") { builder.glorotUniform([RandomNetwork.featureCount, 8], seed: 3) }
            let average = builder.variable("average") { builder.filled([8], with: 1) }
            let count = builder.variable("count") { builder.scalar(0, .int64) }
            let product = inputs["features"].matMul(weights.value)
            let mean = product.mean(axes: [0])
            inputs.addUpdate(average.handle.assignSubVariable((average.value - mean) * 0.25))
            inputs.addUpdate(count.assignAdd(builder.scalar(1, .int64)))
            return (product - mean).relu()
        }
        return builder.nameScope("output") {
            hidden.matMul(builder.variable("weights") { builder.glorotUniform([8, RandomNetwork.classCount], seed: 4) }.value)
        }
    }
}

/// Operations that run beside the training step: `ModelInputs.addUpdate`, and TensorFlow's `UPDATE_OPS`.
@Suite("Updates of models", .serialized)
struct UpdateTests {
    private static let folder = String("\(#filePath)".dropLast("Strategies/UpdateTests.swift".count)) + "Fixtures/"
    /// The rows of `Fixtures/make_batch_norm.py`.
    private static let rows = Table(
        columns: ["a", "b", "c", "d", "label"], classes: ["0", "1", "2"], values: (0..<24).map { Float($0 % 7 - 3) / 4 }, labels: [0, 2, 1, 2, 0, 1])
    /// What TensorFlow 2.21 computes.
    private static let losses = [1.3373357057571411, 1.152743935585022, 1.051662802696228]
    private static let averages = [
        "norm/moving_mean": [0.01169107761234045, 0.028337903320789337, -0.04193329066038132],
        "norm/moving_variance": [0.470492959022522, 0.5269273519515991, 0.45713236927986145],
    ]

    private func imported() throws -> ModelGraph {
        try ModelGraph(
            contentsOf: UpdateTests.folder + "batch_norm.pbtxt", loss: "loss", inputs: ["features": "x", "labels": "y"], predictions: "output/logits")
    }
    private func close(_ found: Double, _ expected: Double) -> Bool { abs(found - expected) <= 2e-5 * max(abs(expected), 0.1) }

    @Test("the moving averages of a graph that TensorFlow wrote are TensorFlow's after each step, and evaluations leave them alone")
    func imports() async throws {
        let model = try imported()
        #expect(model.otherVariables.map(\.name).sorted() == UpdateTests.averages.keys.sorted())
        #expect(model.otherVariables.allSatisfy(\.isUpdated) && !model.parameters.contains(where: \.isUpdated))
        let setting = TrainingSetting(optimizer: GradientDescent(learningRate: 0.5), batchSize: 6)
        let client = try #require(try SingleDevice().plan(model, setting).clients.first)
        let session = try await Session(client.graph)
        try await session.run(try #require(client.lifecycle.initializer))
        let shard = client.shards[0]
        let feeds = try BatchFeeds(shard.inputs, UpdateTests.rows).feeds(UpdateTests.rows)
        let evaluation = try #require(client.evaluation)
        let evaluated = [evaluation.evaluationLoss.name] + evaluation.metrics.values.map(\.name)
        #expect(evaluated.count == 2)
        for expected in UpdateTests.losses {
            let before = try await session.run(fetches: evaluated, feeds: try BatchFeeds(evaluation.inputs, UpdateTests.rows).feeds(UpdateTests.rows))
            #expect(close(try before.tensors[0].tensor.double(), expected))
            let loss = try await session.run(fetches: [shard.loss.name], feeds: feeds, targets: [client.step.name]).tensors[0].tensor.double()
            #expect(close(loss, expected), "\(loss), expected \(expected)")
        }
        for variable in client.state?.variables ?? [] {
            guard let expected = UpdateTests.averages[variable.name] else { continue }
            let found = try await session.run(variable.value).array(of: Float.self).map(Double.init)
            #expect(zip(found, expected).allSatisfy { close($0, $1) }, "\(variable.name) is \(found), expected \(expected)")
        }
        try await session.close()
    }

    /// The rows of the first shard.
    private func first(_ rows: Table, _ count: Int) -> Table { rows.rows(Array(0..<count)) }

    @Test("a client runs its first copy's updates, once in a step, however the step is split")
    func clients() async throws {
        let rows = try RandomNetwork.table(rows: 12, seed: 5)
        let model = try ModelGraph(NormalizedNetwork())
        #expect(model.parameters.map(\.name).sorted() == ["norm/weights", "output/weights"])
        for (model, rows) in [(model, rows), (try imported(), UpdateTests.rows)] {
            let devices = try LocalDevices(cpuCount: 2), names = ["/cpu:0", "/cpu:1"], half = rows.rowCount / 2
            let whole = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: rows.rowCount).others
            #expect(whole.count == 2)
            let expected = try await OneStep.run(SingleDevice(), model, rows: first(rows, half), batchSize: half).others
            #expect(expected != whole)
            let strategies: [(any Strategy, batchSize: Int)] = [
                (InGraphReplication(), half), (DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 1)), half),
                (PipelineParallel(microBatches: 2), rows.rowCount), (AllReduceReplicas(), half),
            ]
            for (strategy, batchSize) in strategies {
                let found = try await OneStep.run(strategy, model, rows: rows, batchSize: batchSize, devices: names, localDevices: devices).others
                #expect(difference(found, expected) < 1e-6, "\(strategy.name)")
            }
            // These take the moments of all rows.
            let layers = try await OneStep.run(
                LayerParallel(), model, rows: rows, batchSize: rows.rowCount, devices: names, localDevices: devices)
            #expect(difference(layers.others, whole) < 1e-6)
        }
        let whole = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12).others
        let mesh = try await OneStep.run(
            MeshParallel(["data": 2]), model, rows: rows, batchSize: 6, devices: ["/cpu:0", "/cpu:1"], localDevices: LocalDevices(cpuCount: 2))
        #expect(difference(mesh.others, whole) < 1e-5)
        let tensor = try await OneStep.run(
            TensorParallel(), model, rows: rows, batchSize: 12, devices: ["/cpu:0", "/cpu:1"], localDevices: LocalDevices(cpuCount: 2))
        #expect(difference(tensor.others, whole) < 1e-5)
    }

    @Test("all-reduce has the first worker's averages, for any number of workers; each client of parameter servers updates what they share")
    func workers() async throws {
        let model = try ModelGraph(NormalizedNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 5)
        let expected = try await OneStep.run(SingleDevice(), model, rows: first(rows, 3), batchSize: 3).others
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let reduced = try await OneStep.run(AllReduceReplicas(shards: 4), model, rows: rows, batchSize: 3, cluster: cluster.spec)
            #expect(reduced.others == expected)
            let sync = try await OneStep.run(SynchronousReplicas(), model, rows: first(rows, 6), batchSize: 3, cluster: cluster.spec)
            #expect(sync.others["norm/count"] == [2])
            // Each worker takes a quarter of the way to its rows' mean, from where it found the average.
            let other = try await OneStep.run(SingleDevice(), model, rows: rows.rows([3, 4, 5]), batchSize: 3).others
            let (a, b) = (try #require(expected["norm/average"]), try #require(other["norm/average"]))
            let found = try #require(sync.others["norm/average"])
            for (index, value) in found.enumerated() {
                let together = a[index] + b[index] - 1
                let inTurn = [(a[index], b[index]), (b[index], a[index])].map { first, second in first + (second - 1) - (first - 1) * 0.25 }
                #expect(([together] + inTurn).contains { abs($0 - value) < 1e-5 }, "\(value)")
            }
        }
    }

    @Test("a variable that is updated stays whole where others are cut")
    func parts() async throws {
        let model = try ModelGraph(NormalizedNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 5)
        let whole = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12)
        let cut = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12, partitioning: .parts(2))
        #expect(cut.others == whole.others)
        #expect(try cut.difference(from: whole) < 1e-5)
    }

    @Test("an update of another graph is refused")
    func foreign() {
        struct Foreign: Classifier {
            let inputs = [ModelInput("features", .float32, [2]), ModelInput("labels", .int32)]
            func predictions(_ inputs: ModelInputs) -> Output {
                inputs.addUpdate(GraphBuilder(registry: .standard).group([]))
                return inputs["features"].matMul(inputs.builder.variable("w") { inputs.builder.filled([2, 2], with: 1) }.value)
            }
        }
        let error = #expect(throws: Status.self) { try ModelGraph(Foreign()) }
        #expect(error?.code == .invalidArgument && error?.message.contains("addUpdate") == true)
    }

    private func difference(_ found: [String: [Double]], _ expected: [String: [Double]]) -> Double {
        guard Set(found.keys) == Set(expected.keys) else { return .infinity }
        return expected.flatMap { name, values in zip(found[name] ?? [], values).map { abs($0 - $1) } }.max() ?? .infinity
    }
}
