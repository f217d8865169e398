import Foundation
import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor
import WeirWire

@testable import WeirTrain

/// Graphs that TensorFlow 2.21 wrote (`Fixtures/make_graphs.py`) are trained. The losses are TensorFlow's.
@Suite("Models in files")
struct ModelFileTests {
    private static let folder = String("\(#filePath)".dropLast("ModelFileTests.swift".count)) + "Fixtures/"
    private static let inputs = ["features": "x", "labels": "y:0"]
    private static let losses = [1.2705581188201904, 0.9182057976722717, 0.7209625244140625]

    private func model(_ file: String, trained: [String]? = nil) throws -> ModelGraph {
        try ModelGraph(
            contentsOf: ModelFileTests.folder + file, loss: "loss", inputs: ModelFileTests.inputs, predictions: "logits",
            trained: trained ?? (file == "references.pbtxt" ? ["layer/w", "layer/b"] : nil))
    }

    @Test("losses of the initial values and after steps are TensorFlow's", arguments: ["references.pbtxt", "resources.pbtxt"])
    func losses(_ file: String) async throws {
        let model = try model(file)
        let setting = TrainingSetting(optimizer: GradientDescent(learningRate: 0.5), batchSize: 6)
        let client = try #require(try SingleDevice().plan(model, setting).clients.first)
        let session = try await Session(client.graph)
        if let initializer = client.lifecycle.initializer { try await session.run(initializer) }
        let shard = client.shards[0]
        let features = (0..<24).map { Float($0 % 7 - 3) / 4 }
        let feeds = [
            NamedTensor(try #require(shard.inputs["features"]).name, Tensor(features, ofShape: [6, 4])),
            NamedTensor(try #require(shard.inputs["labels"]).name, Tensor([0, 2, 1, 2, 0, 1] as [Int64])),
        ]
        for expected in ModelFileTests.losses {
            let found = try await session.run(fetches: [shard.loss.name], feeds: feeds).tensors[0].tensor.double()
            #expect(abs(found - expected) < 2e-6 * expected, "\(found), expected \(expected)")
            _ = try await session.run(fetches: [], feeds: feeds, targets: [client.step.name])
        }
        try await session.close()
    }

    @Test("only what the loss needs is taken, and the variables are resource variables", arguments: ["references.pbtxt", "resources.pbtxt"])
    func parts(_ file: String) throws {
        let model = try model(file)
        #expect(model.parameters.map(\.name).sorted() == ["layer/b", "layer/w"])
        #expect(model.otherVariables.map(\.name) == ["scale"])
        #expect(model.metrics.keys.sorted() == ["accuracy"])
        #expect(!model.graph.nodes.contains { $0.op.variableUse == .reference || $0.outputTypes.contains(where: \.isReference) })
        #expect(!model.graph.nodes.contains { $0.name.hasPrefix("train") })
        let order = model.graph.nodes.indices.filter { id in model.graph.nodes[id].inputs.contains { $0.node >= id } }
        #expect(order.isEmpty, "each node comes after its inputs")
    }

    @Test("a variable that is not in the collection of trainable variables is trained where it is asked for")
    func trained() throws {
        #expect(try model("resources.pbtxt", trained: ["scale:0"]).parameters.map(\.name) == ["scale"])
        // A GraphDef has no collections: all variables of the loss are trained.
        let definition = try MetaGraphDefinition(contentsOf: ModelFileTests.folder + "references.pbtxt")
        #expect(definition.trainableVariables == nil)
    }

    @Test("a meta graph in binary format has its collections and its signature")
    func binary() throws {
        let text = try MetaGraphDefinition(contentsOf: ModelFileTests.folder + "resources.pbtxt")
        var variable = WireWriter()
        variable.field(1, "layer/b:0")
        variable.field(2, "layer/b/Assign")
        var file = WireWriter()
        file.field(2, try text.graph.serialized())
        file.message(4) { entry in
            entry.field(1, "trainable_variables")
            entry.message(2) { collection in collection.message(2) { list in list.always(1, variable.bytes) } }
        }
        file.message(5) { entry in
            entry.field(1, "train")
            entry.message(2) { signature in
                for (number, name, tensor) in [(1, "features", "x:0"), (1, "labels", "y:0"), (2, "mean", "loss:0")] {
                    signature.message(number) { pair in
                        pair.field(1, name)
                        pair.message(2) { $0.field(1, tensor) }
                    }
                }
            }
        }
        let scratch = FileSystemScratch()
        let path = "\(scratch.path)/model.meta"
        try Data(file.bytes).write(to: URL(fileURLWithPath: path))
        let model = try ModelGraph(contentsOf: path, loss: "mean")
        #expect(model.parameters.map(\.name) == ["layer/b"])
        #expect(model.inputs.keys.sorted() == ["features", "labels"])
    }

    @Test("a saved model is named by its folder; of several graphs, the one for training is taken")
    func savedModel() throws {
        let text = try String(contentsOfFile: ModelFileTests.folder + "resources.pbtxt", encoding: .utf8)
        func write(_ graphs: [String]) throws -> FileSystemScratch {
            let scratch = FileSystemScratch()
            let model = "saved_model_schema_version: 1\n" + graphs.map { "meta_graphs {\n\($0)\n}\n" }.joined()
            try Data(model.utf8).write(to: URL(fileURLWithPath: "\(scratch.path)/saved_model.pbtxt"))
            return scratch
        }
        let serving = "meta_info_def { tags: \"serve\" }"
        let training = text.replacing("meta_info_def {", with: "meta_info_def {\n  tags: \"train\"", maxReplacements: 1)
        for graphs in [[text], [serving, training]] {
            let scratch = try write(graphs)
            let model = try ModelGraph(contentsOf: scratch.path, loss: "loss", inputs: ModelFileTests.inputs)
            #expect(model.parameters.map(\.name).sorted() == ["layer/b", "layer/w"])
        }
        let ambiguous = try write([serving, serving])
        let error = #expect(throws: Status.self) { try ModelGraph(contentsOf: ambiguous.path, loss: "loss") }
        #expect(error?.message.contains("found 2 with the tags {serve}, {serve}") == true)
    }

    @Test("a wrong name is told with names that are near", arguments: [("los", "loss"), ("logit", "logits"), ("bias", "no near name")])
    func names(_ sample: (wrong: String, near: String)) {
        let error = #expect(throws: Status.self) {
            try ModelGraph(contentsOf: ModelFileTests.folder + "references.pbtxt", loss: sample.wrong, inputs: ModelFileTests.inputs)
        }
        #expect(error?.code == .notFound && error?.message.contains("references.pbtxt: The graph has no node '\(sample.wrong)' for the loss") == true)
        #expect(error?.message.contains("near names are \(sample.near)") == (sample.near != "no near name"))
    }

    @Test("what cannot be trained is refused, and the message says why")
    func refused() throws {
        func refuse(_ expected: String, _ change: (inout MetaGraphDefinition) -> Void = { _ in }, loss: String = "loss") throws {
            var file = try MetaGraphDefinition(contentsOf: ModelFileTests.folder + "references.pbtxt")
            change(&file)
            let error = #expect(throws: Status.self) { try ModelGraph(file, loss: loss, inputs: ModelFileTests.inputs) }
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "nothing"), expected \(expected)")
        }
        try refuse("'update_ops' of operations that run with each step has 'norm/AssignMovingAvg'", { $0.collections["update_ops"] = ["norm/AssignMovingAvg"] })
        try refuse("has no initial value", { $0.graph.nodes.removeAll { $0.name == "layer/w/Assign" } })
        try refuse("must have a known shape") { file in
            for index in file.graph.nodes.indices where file.graph.nodes[index].name == "layer/w" {
                file.graph.nodes[index].attributes["shape"] = .shape(.unknown)
            }
        }
        try refuse("must be a scalar", loss: "logits")
        try refuse("must be a scalar", loss: "y")
    }

    @Test("a read after an update sees it, and a read before does not wait for it")
    func order() async throws {
        let b = GraphBuilder(registry: .standard)
        let reference = b.refVariable(.float32, [2], name: "v")
        let assign = reference.assign(b.constant([1, 2], .float32))
        let added = assign.assignAdd(b.constant([10, 10], .float32))
        // One read through the updates' output, one that waits for them, one with no condition.
        let after = added * 2
        let waiting = b.controlDependencies([added.operation]) { reference * 3 }
        let free = reference * 4
        let graph = try ReferenceVariableConversion(registry: .standard).run(b.graph()).topologicallySorted()
        #expect(!graph.nodes.contains { $0.outputTypes.contains(where: \.isReference) })
        let session = try await Session(graph)
        let found = try await session.run(fetches: [after.name, waiting.name], feeds: []).tensors.map(\.tensor)
        #expect(found == [Tensor([22, 24] as [Float]), Tensor([33, 36] as [Float])])
        let freeNode = try #require(graph.node(named: free.nodeName))
        let read = graph.nodes[freeNode.inputs[0].node]
        #expect(read.op.variableUse == .read && read.controlInputs.isEmpty)
        #expect(try await session.run(fetches: [free.name], feeds: []).tensors[0].tensor == Tensor([44, 48] as [Float]))
        try await session.close()
    }

    @Test("every op's form for resource variables exists and takes as many inputs")
    func forms() throws {
        let ops = OpRegistry.standard.definitions.filter { $0.resourceForm != nil }
        #expect(ops.count > 10)
        for op in ops {
            let form = try #require(op.resourceForm.flatMap { OpRegistry.standard[$0] }, "\(op.name)")
            #expect(form.schema.inputs.count == op.schema.inputs.count, "\(op.name)")
        }
    }
}
