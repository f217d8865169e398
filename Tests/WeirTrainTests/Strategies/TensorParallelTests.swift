import Testing
import Weir
import WeirRuntime
import WeirTensor

@testable import WeirGraph
@testable import WeirTrain

@Suite("Tensor parallelism", .serialized)
struct TensorParallelTests {
    private static func devices(_ count: Int) -> [String] { (0..<count).map { "/cpu:\($0)" } }

    private func plan(_ model: some Model, devices: Int, rules: [(String, VariableCut)] = []) throws -> TrainingPlan {
        let setting = TrainingSetting(devices: TensorParallelTests.devices(devices), optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)
        return try TensorParallel(rules: rules).plan(ModelGraph(model), setting)
    }

    /// The error of a plan that cannot be made.
    private func failure(_ model: some Model, devices: Int, rules: [(String, VariableCut)] = []) throws -> String {
        let status = #expect(throws: Status.self) { try plan(model, devices: devices, rules: rules) }
        #expect(status?.code == .invalidArgument)
        return status?.message ?? ""
    }

    @Test("gradients are those of one device", arguments: UInt64(1)...8, [2, 3, 4])
    func gradients(_ seed: UInt64, _ count: Int) async throws {
        for dtype in [DType.float32, .float64] {
            try await SameGradients.check(
                TensorParallel(), seed: seed, dtype: dtype, shards: 1, batchSize: 12, devices: TensorParallelTests.devices(count),
                localDevices: LocalDevices(cpuCount: count))
        }
    }

    @Test("gradients of each kind of layer are those of one device", arguments: RandomNetwork.Layer.allCases, [2, 4])
    func gradients(of kind: RandomNetwork.Layer, _ count: Int) async throws {
        try await SameGradients.check(
            TensorParallel(), seed: 5, dtype: .float64, shards: 1, batchSize: 12, kinds: [kind], devices: TensorParallelTests.devices(count),
            localDevices: LocalDevices(cpuCount: count))
    }

    @Test("gradients are those of one device however a table is cut", arguments: [VariableCut.rows, .columns, .whole])
    func embedding(_ cut: VariableCut) async throws {
        let model = try ModelGraph(WordModel())
        let rows = try RandomNetwork.table(rows: 12, seed: 3)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 12)
        let found = try await OneStep.run(
            TensorParallel(rules: [("words", cut)]), model, rows: rows, batchSize: 12, devices: TensorParallelTests.devices(3),
            localDevices: LocalDevices(cpuCount: 3))
        #expect(try found.difference(from: expected) < 1e-12)
        #expect(abs(found.loss - expected.loss) < 1e-12)
    }

    @Test("a table is cut by rows")
    func tableRows() throws {
        let graph = try plan(WordModel(), devices: 3).clients[0].graph
        let part = try #require(graph.node(named: "words/table/part_1/handle"))
        #expect(part.attributes.shape("shape") == [8, 6])
    }

    @Test("a word that the table does not have is an error, not a vector of zeros", arguments: [-2.0, 24.0])
    func outOfRange(_ word: Double) throws {
        let plan = try plan(WordModel(), devices: 3)
        let client = plan.clients[0]
        let session = try DirectSession(client.graph, registry: .standard, devices: LocalDevices(cpuCount: 3))
        let initializer = try #require(client.lifecycle.initializer)
        _ = try session.run(targets: [initializer.name])
        let shard = client.shards[0]
        let features = try #require(shard.inputs["features"]), labels = try #require(shard.inputs["labels"])
        let numbers = [Double](repeating: 0, count: 15)
        let feeds = [(features.name, Tensor([word / 12 - 1] + numbers, ofShape: [1, 16])), (labels.name, Tensor([Int32(0)]))]
        #expect(throws: Status.self) { try session.run(feeds: feeds, fetches: [shard.loss.name]) }
    }

    /// The nodes of a kind of communication forward in a scope of the model.
    private func communication(_ graph: Graph, _ kind: String, in scope: String) -> [String] {
        graph.nodes.map(\.name).filter { $0.hasPrefix("model/\(scope)") && ($0.hasSuffix("/\(kind)") || $0.contains("/\(kind)_")) }
    }

    @Test("a block of two dense layers has one sum over the devices forward", arguments: [2, 4])
    func denseBlock(_ count: Int) throws {
        let graph = try plan(DenseBlock(), devices: count).clients[0].graph
        #expect(communication(graph, "sum", in: "block").count == 1)
        #expect(communication(graph, "gather", in: "block").isEmpty)
        #expect(graph.node(named: "block/wide/weights/part_0/handle")?.attributes.shape("shape") == PartialShape([16, 64 / count]))
        #expect(graph.node(named: "block/wide/biases/part_0/handle")?.attributes.shape("shape") == PartialShape([64 / count]))
        #expect(graph.node(named: "block/narrow/weights/part_0/handle")?.attributes.shape("shape") == PartialShape([64 / count, 16]))
        #expect(graph.node(named: "block/narrow/biases/handle")?.attributes.shape("shape") == [16])
    }

    @Test("the attention and the dense layers of a transformer's block have one sum each", arguments: [2, 4])
    func attention(_ count: Int) throws {
        let network = Transformer(tokenCount: 8, tokenSize: 8, width: 32, heads: 4, depth: 2, classCount: 4)
        let graph = try plan(network, devices: count).clients[0].graph
        for block in 1...2 {
            for part in ["attention", "mlp"] {
                #expect(communication(graph, "sum", in: "block\(block)/\(part)").count == 1)
                #expect(communication(graph, "gather", in: "block\(block)/\(part)").isEmpty)
            }
            for name in ["query", "key", "value"] {
                let part = graph.node(named: "block\(block)/attention/\(name)/kernel/part_0/handle")
                #expect(part?.attributes.shape("shape") == PartialShape([32, 32 / count]))
            }
        }
    }

    @Test("initial values are those of one device")
    func initialValues() throws {
        let network = DenseNetwork(inputCount: 4, hidden: [8, 8], classCount: 3, seed: 5)
        let model = try ModelGraph(network)
        func values(_ strategy: any Strategy, devices: Int) throws -> [String: Tensor] {
            let setting = TrainingSetting(devices: TensorParallelTests.devices(devices), optimizer: GradientDescent(learningRate: 0.1), batchSize: 8)
            let client = try strategy.plan(model, setting).clients[0]
            let session = try DirectSession(client.graph, registry: .standard, devices: LocalDevices(cpuCount: devices))
            _ = try session.run(targets: client.lifecycle.initializer.map { [$0.name] } ?? [])
            let names = client.parameters.keys.sorted()
            let found = try session.run(fetches: names.compactMap { client.parameters[$0]?.name })
            return Dictionary(uniqueKeysWithValues: zip(names, found))
        }
        let expected = try values(SingleDevice(), devices: 1), found = try values(TensorParallel(), devices: 2)
        #expect(Set(found.keys) == Set(expected.keys))
        for (name, value) in expected { #expect(try found[name]?.array(of: Float.self) == value.array(of: Float.self), "\(name)") }
    }

    @Test("heads that the devices do not divide are an error")
    func heads() throws {
        let network = Transformer(tokenCount: 4, tokenSize: 4, width: 28, heads: 7, depth: 1, classCount: 4)
        let message = try failure(network, devices: 2)
        #expect(message.contains("7") && message.contains("attention"), "\(message)")
        // A rule can leave the attention whole.
        _ = try plan(network, devices: 2, rules: [("attention", .whole)])
    }

    @Test("what cannot be cut is one clear error")
    func impossible() throws {
        let odd = DenseNetwork(inputCount: 5, hidden: [7], classCount: 3)
        #expect(try failure(odd, devices: 2).contains("No variable can be cut"))
        #expect(try failure(DenseBlock(), devices: 2, rules: [("blok", .rows)]).contains("blok"))
        #expect(try failure(DenseBlock(), devices: 3, rules: [("wide", .columns)]).contains("cannot be cut by columns"))
        #expect(try failure(DenseBlock(), devices: 2, rules: [("wide/weights", .dimension(2))]).contains("dimension 2"))
    }

    @Test("rules for cuts are read from text")
    func ruleText() throws {
        let rules = try VariableCut.rules("query=columns,head=whole,conv=3")
        #expect(rules.map(\.0) == ["query", "head", "conv"])
        #expect(rules.map(\.1) == [.columns, .whole, .dimension(3)])
        for text in ["", "query", "query=", "=rows", "a=diagonal", "a=-1"] { #expect(throws: Status.self) { try VariableCut.rules(text) } }
    }
}

/// Two dense layers with ReLU between them, added to what goes in.
private struct DenseBlock: Model {
    let inputs = [ModelInput("x", .float32, [16]), ModelInput("y", .float32, [16])]
    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        func dense(_ name: String, _ x: Output, _ from: Int, _ to: Int) -> Output {
            builder.nameScope(name) {
                let weights = builder.variable("weights") { builder.glorotUniform([from, to], seed: from) }
                let biases = builder.variable("biases") { builder.filled([to], with: 0) }
                return x.matMul(weights.value).biasAdd(biases.value)
            }
        }
        let x = inputs["x"]
        return x + builder.nameScope("block") { dense("narrow", dense("wide", x, 16, 64).relu(), 64, 16) }
    }
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { predictions.squaredDifference(inputs["y"]).mean() }
}

/// Words, of which the vectors are looked up in a variable, and a dense layer.
private struct WordModel: Classifier {
    let inputs = [ModelInput("features", .float64, [16]), ModelInput("labels", .int32)]
    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        func numbers(_ shape: [Int]) -> Tensor {
            Tensor((0..<shape.reduce(1, *)).map { Double(($0 * 7919) % 101) / 101 - 0.5 }, ofShape: Shape(shape))
        }
        let table = builder.variable("words/table") { builder.constant(numbers([24, 6])) }
        let words = (inputs["features"].sliced(at: [0, 0], size: [-1, 1]) * 12 + 12).cast(to: .int32).reshaped(to: [-1])
        let vectors = builder.add("ResourceGather", [table.handle, words], attributes: ["dtype": .type(.float64)])[0]
        let weights = builder.variable("output/weights") { builder.constant(numbers([6, 6])) }
        return (vectors + inputs["features"].mean(axes: [1], keepDimensions: true)).tanh().matMul(weights.value)
    }
}
