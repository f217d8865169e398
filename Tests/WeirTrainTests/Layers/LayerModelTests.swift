import Foundation
import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Models of layers", .serialized)
struct LayerModelTests {
    /// A network whose layers do something else in training than in inference.
    private struct Noisy: Classifier {
        var inputs: [ModelInput] { [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)] }
        func predictions(_ inputs: ModelInputs) -> Output {
            let network = Sequential {
                Dense(16, name: "first")
                BatchNormalization(momentum: 0.8, name: "normalized")
                Activation.relu
                Dropout(0.2, name: "dropped")
                Dense(3, kernelRegularizer: .l2(1e-4), name: "output")
            }
            return network(inputs["features"], inputs.layers(seed: 4))
        }
    }
    private static func devices(_ count: Int) -> [String] { (0..<count).map { "/cpu:\($0)" } }

    @Test("training and inference are two graphs with the same variables")
    func modes() throws {
        let model = try ModelGraph(Noisy()), graph = model.graph
        #expect(model.parameters.map(\.name) == ["first/kernel", "first/bias", "normalized/gamma", "normalized/beta", "output/kernel", "output/bias"])
        #expect(model.otherVariables.map(\.name) == ["normalized/moving_mean", "normalized/moving_variance"])
        func isReached(_ endpoint: Endpoint, _ isIt: (Node) -> Bool) -> Bool {
            let needed = graph.ancestors(of: [endpoint.node])
            return graph.nodes.indices.contains { needed[$0] && isIt(graph.nodes[$0]) }
        }
        func isRandom(_ node: Node) -> Bool { node.op.name == "RandomUniform" }
        func isUpdate(_ node: Node) -> Bool { node.op.name == "AssignSubVariableOp" }
        let predictions = try #require(model.predictions), accuracy = try #require(model.metrics["accuracy"])
        #expect(isReached(model.loss, isRandom) && isReached(model.loss, isUpdate))
        for endpoint in [predictions, accuracy, model.evaluationLoss] {
            #expect(!isReached(endpoint, isRandom) && !isReached(endpoint, isUpdate))
            #expect(isReached(endpoint) { $0.name == "normalized/moving_mean/handle" })
        }
        #expect(graph.nodes[predictions.node].name.hasPrefix("inference/output/"))
    }

    @Test("a model whose layers do the same in both modes has one graph")
    func oneGraph() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, classCount: 3))
        #expect(model.evaluationLoss == model.loss && model.training == nil)
        #expect(!model.graph.nodes.contains { $0.name.hasPrefix("inference") })
    }

    @Test("nodes for inference are in the layers of the same names")
    func cut() throws {
        let model = try ModelGraph(Noisy()), cut = try LayerCut(model)
        #expect(cut.layers.map(\.name) == ["first", "normalized", "relu", "dropped", "output"])
        let predictions = try #require(model.predictions)
        let layer = try #require(cut.layerOfNode[predictions.node]), trained = try #require(model.training?.predictions)
        #expect(cut.layers[layer].name == "output" && cut.layerOfNode[trained.node] == layer)
        for (id, node) in model.graph.nodes.enumerated() where node.name.hasPrefix("inference/first/") {
            #expect(cut.layerOfNode[id].map { cut.layers[$0].name } == "first", "\(node.name)")
        }
    }

    @Test("of an embedding's table only rows are read, in both modes, so that its gradient is sparse")
    func embedding() throws {
        struct Words: Classifier {
            var inputs: [ModelInput] { [ModelInput("features", .int32, [4]), ModelInput("labels", .int32)] }
            func predictions(_ inputs: ModelInputs) -> Output {
                let network = Sequential {
                    Embedding(50, 8)
                    Dropout(0.1)
                    GlobalAveragePool()
                    Dense(3)
                }
                return network(inputs["features"], inputs.layers())
            }
        }
        let model = try ModelGraph(Words())
        #expect(model.parameters.map(\.isGathered) == [true, false, false])
        let builder = GraphBuilder()
        let declared = try model.declareVariables(in: builder), replica = try model.replica(in: builder, variables: declared)
        let gradients = replica.gradients(with: declared)
        guard case .sparse = gradients[0].value else { throw Status.internalError("expected a sparse gradient, found \(gradients[0].value)") }
    }

    @Test("a variable that only one mode has is an error")
    func otherVariables() {
        struct Uneven: Classifier {
            let usesBuilder: Bool
            var inputs: [ModelInput] { [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)] }
            func predictions(_ inputs: ModelInputs) -> Output {
                let layers = inputs.layers()
                let x = Dense(layers.isTraining || usesBuilder ? 3 : 4, name: "dense")(inputs["features"], layers)
                return usesBuilder ? x + inputs.builder.variable("own") { inputs.builder.filled([3], with: 0) }.value : x
            }
        }
        let error = #expect(throws: Status.self) { try ModelGraph(Uneven(usesBuilder: false)) }
        #expect(
            error?.code == .invalidArgument && error?.message.contains("'kernel'") == true && error?.message.contains("[4,3]") == true,
            "\(error?.message ?? "")")
        let other = #expect(throws: Status.self) { try ModelGraph(Uneven(usesBuilder: true)) }
        #expect(other?.message.contains("own") == true && other?.message.contains("LayerContext.variable") == true, "\(other?.message ?? "")")
    }

    @Test("regularizers add to the loss what Keras adds")
    func regularizers() async throws {
        struct Regularized: Model {
            let regularizer: Regularizer?
            var inputs: [ModelInput] { [ModelInput("x", .float64, [2]), ModelInput("y", .float64, [1])] }
            func predictions(_ inputs: ModelInputs) -> Output {
                Dense(1, kernelInitializer: .tensor(Tensor([0.5, -2], ofShape: [2, 1])), kernelRegularizer: regularizer)(
                    inputs["x"], inputs.layers(dtype: .float64))
            }
            func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { Loss.meanSquaredError(predictions, targets: inputs["y"]) }
        }
        for (regularizer, expected) in [(nil, 0), (.l1(0.1), 0.25), (.l2(0.1), 0.425), (.l1l2(l1: 1, l2: 2), 2.5 + 8.5)] as [(Regularizer?, Double)] {
            let model = try ModelGraph(Regularized(regularizer: regularizer))
            let session = try await Session(model.graph)
            for name in ["dense/kernel/Assign", "dense/bias/Assign"] { _ = try await session.run(fetches: [], targets: [name]) }
            let reply = try await session.run(
                fetches: ["loss/value:0"],
                feeds: [NamedTensor("x:0", Tensor([1.0, 1], ofShape: [1, 2])), NamedTensor("y:0", Tensor([-1.5], ofShape: [1, 1]))])
            #expect(abs(try reply.tensors[0].tensor.double() - expected) < 1e-12)
            try await session.close()
        }
    }

    @Test(
        "a step updates the moving averages, and an evaluation does not",
        arguments: [
            (SingleDevice(), 1), (InGraphReplication(), 2), (LayerParallel(), 2), (PipelineParallel(microBatches: 2), 2),
        ] as [(any Strategy, Int)])
    func updates(_ sample: (strategy: any Strategy, deviceCount: Int)) async throws {
        let setting = TrainingSetting(devices: LayerModelTests.devices(sample.deviceCount), optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)
        let client = try #require(try sample.strategy.plan(ModelGraph(Noisy()), setting).clients.first)
        let session = try DirectSession(client.graph, registry: .standard, devices: LocalDevices(cpuCount: sample.deviceCount))
        _ = try session.run(targets: [try #require(client.lifecycle.initializer).name])
        let mean = try #require(client.state?.variables.first { $0.name.hasSuffix("moving_mean") })
        let rows = try Table.iris().rows(Array(0..<8))
        func feeds(_ inputs: [String: Output]) throws -> [(String, Tensor)] { try BatchFeeds(inputs, rows).feeds(rows).map { ($0.name, $0.tensor) } }
        func moving() throws -> [Float] { try session.run(fetches: [mean.value.name])[0].array(of: Float.self) }
        let evaluation = try #require(client.evaluation)
        _ = try session.run(feeds: feeds(evaluation.inputs), fetches: [evaluation.evaluationLoss.name] + evaluation.metrics.values.map(\.name))
        #expect(try moving().allSatisfy { $0 == 0 })
        var all: [(String, Tensor)] = []
        for shard in client.shards { all += try feeds(shard.inputs) }
        _ = try session.run(feeds: all, fetches: client.shards.map(\.loss.name), targets: [client.step.name])
        #expect(try moving().contains { abs($0) > 0.01 })
    }

    @Test("copies of a dropout, in towers and workers, draw other numbers; initial values do not change")
    func copies() throws {
        let model = try ModelGraph(Noisy())
        func seeds(_ graph: Graph, _ end: String) -> [Int] {
            graph.nodes.filter { $0.name.hasSuffix(end) && !$0.name.hasPrefix("evaluation/") }.compactMap { $0.attributes.int("seed2") }
        }
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]])
        let plans: [(any Strategy, TrainingSetting)] = [
            (InGraphReplication(), TrainingSetting(devices: LayerModelTests.devices(2), optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)),
            (SynchronousReplicas(), TrainingSetting(cluster: cluster, optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)),
            (AllReduceReplicas(), TrainingSetting(cluster: cluster, optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)),
        ]
        for (strategy, setting) in plans {
            let graphs = try strategy.plan(model, setting).clients.map(\.graph)
            let drawn = graphs.flatMap { seeds($0, "dropped/RandomUniform") }
            #expect(drawn.count == 2 && Set(drawn).count == 2, "\(strategy.name): \(drawn)")
            for graph in graphs { #expect(seeds(graph, "first/kernel/RandomUniform") == seeds(model.graph, "first/kernel/RandomUniform")) }
        }
    }

    @Test(
        "irises are learned with dropout and batch normalization",
        arguments: [
            (SingleDevice(), 1), (InGraphReplication(), 2), (LayerParallel(), 2), (PipelineParallel(microBatches: 2), 2),
        ] as [(any Strategy, Int)])
    func learns(_ sample: (strategy: any Strategy, deviceCount: Int)) async throws {
        var options = try options(sample.strategy)
        options.devices = LayerModelTests.devices(sample.deviceCount)
        options.localDevices = try LocalDevices(cpuCount: sample.deviceCount)
        let report = try await Trainer(options).run()
        #expect(report.testAccuracy > 0.8, "\(report.testAccuracy)")
    }

    @Test(
        "irises are learned with dropout and batch normalization by the workers of a cluster",
        arguments: [SynchronousReplicas(), AllReduceReplicas()] as [any Strategy])
    func cluster(_ strategy: any Strategy) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let report = try await Trainer(options(strategy), cluster: cluster.spec).run()
            #expect(report.testAccuracy > 0.8, "\(report.testAccuracy)")
        }
    }

    private func options(_ strategy: any Strategy) throws -> TrainingOptions {
        try TrainingOptions(Noisy(), table: Table.iris(), strategy: strategy, optimizer: Momentum(learningRate: 0.03), stepCount: 150, batchSize: 32)
    }

    @Test("a sequence is learned: which of its steps has the greatest number")
    func sequences() async throws {
        struct Position: Classifier {
            let layer: any Layer
            var inputs: [ModelInput] { [ModelInput("features", .float32, [8]), ModelInput("labels", .int32)] }
            func predictions(_ inputs: ModelInputs) -> Output {
                let layers = inputs.layers(seed: 2)
                let steps = Sequential(name: "steps") { Reshape([4, 2], name: "") }(inputs["features"], layers)
                return Dense(2, name: "output")(layer(steps, layers), layers)
            }
        }
        // Whether the first features of the last two steps have a positive sum.
        var rows: [[Float]] = []
        for row in 0..<200 { rows.append((0..<8).map { Float(sin(Double(row * 8 + $0) * 12.9898)) }) }
        let text = rows.map { row in (row.map { "\($0)" } + [row[4] + row[6] > 0 ? "yes" : "no"]).joined(separator: ",") }
        let table = try Table(csv: "a,b,c,d,e,f,g,h,label\n" + text.joined(separator: "\n") + "\n", source: "steps")
        for layer in [LSTM(8), GRU(8), Bidirectional(SimpleRNN(8))] as [any Layer] {
            let options = try TrainingOptions(Position(layer: layer), table: table, optimizer: Adam(learningRate: 0.02), stepCount: 200)
            let report = try await Trainer(options).run()
            #expect(report.testAccuracy > 0.8, "\(layer.name): \(report.testAccuracy)")
        }
    }
}
