import Testing
import Weir
import WeirWire

@testable import WeirTrain

@Suite("Saved models", .timeLimit(.minutes(2)))
struct SavedModelTests {
    private static let fixtures = String("\(#filePath)".dropLast("SavedModelTests.swift".count)) + "Fixtures/"
    private let scratch = FileSystemScratch()

    /// A network that was trained for some steps, with its values and the change of its features.
    private func trained() async throws -> (model: ModelGraph, report: TrainingReport, standardization: Standardization) {
        let table = try Table.iris()
        var options = try TrainingOptions(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3), table: table, stepCount: 20)
        options.returnsParameters = true
        let report = try await Trainer(options).run()
        let rows = table.fold(0, of: options.foldCount, seed: UInt64(options.seed)).train
        return (options.model, report, Standardization(training: rows))
    }

    @Test("a trained model predicts the same after it was written and read, and so does its frozen graph")
    func roundTrip() async throws {
        let (model, report, standardization) = try await trained()
        #expect(report.parameters.keys.sorted() == ["hidden1/bias", "hidden1/kernel", "output/bias", "output/kernel"])
        let servable = try ServableModel(model, values: report.parameters, standardization: standardization)
        let folder = "\(scratch.path)/models/1"
        try servable.write(to: folder)
        try servable.writeFrozen(to: "\(scratch.path)/frozen.pb")

        let table = try Table.iris()
        let inputs = ["features": table.featureTensor]
        let direct = try await servable.session()
        let names = try #require(servable.signatures["serving_default"]).outputs.mapValues(\.name)
        let expected = try await direct.run(try #require(names["probabilities"]), feeding: ["features:0": table.featureTensor])

        let saved = try SavedModel(contentsOf: folder)
        #expect(saved.signatures["serving_default"]?.description == servable.signatures["serving_default"]?.description)
        #expect(saved.signatures["serving_default"]?.inputs["features"]?.shape == PartialShape([nil, 4]))
        let found = try await saved.predict(inputs, in: saved.session())
        #expect(found["probabilities"] == expected)
        #expect(found["classes"]?.dtype == .int32 && found["classes"]?.shape == Shape(150))
        #expect(found["predictions"]?.shape == Shape(150, 3))
        // The classes are those of the training's own evaluation.
        let labels = table.fold(0, of: 5, seed: 1).test
        let classes = try await saved.predict(["features": labels.featureTensor], in: saved.session())["classes"]?.array(of: Int32.self)
        let accuracy = Double(zip(try #require(classes), labels.labels).count { $0 == $1 }) / Double(labels.rowCount)
        #expect(abs(accuracy - report.testAccuracy) < 1e-6)

        let frozen = try SavedModel(contentsOf: "\(scratch.path)/frozen.pb")
        #expect(!frozen.graph.nodes.contains { $0.op.name == "VarHandleOp" })
        let fromFrozen = try await frozen.predict(inputs, in: frozen.session())
        #expect(fromFrozen == found)
        #expect(frozen.signatures["serving_default"]?.inputs.keys.sorted() == ["features"])
    }

    @Test("the folder has TensorFlow's files, is replaced as a whole, and nothing else is replaced")
    func files() async throws {
        let builder = GraphBuilder()
        let x = builder.placeholder(.float32, shape: [nil], name: "x")
        let w = builder.variable("w", initial: [2.0, 3.0], .float32)
        let y = x * w.value
        let change = w.assign(builder.constant([5.0, 7.0], .float32))
        let session = try await Session(builder.graph())
        let outputs = ["serving_default": ServedOutputs(inputs: ["x": x], outputs: ["y": y])]
        let unset = await #expect(throws: Status.self) { try await ServableModel(session, builder, signatures: outputs) }
        #expect(unset?.code == .failedPrecondition)
        try await session.run(builder.initializer)
        let model = try await ServableModel(session, builder, signatures: outputs)
        let folder = "\(scratch.path)/model"
        try model.write(to: folder)
        #expect(scratch.names == ["model"])
        #expect(try FileSystem.contents(of: folder) == ["saved_model.pb", "variables"])
        #expect(try FileSystem.contents(of: "\(folder)/variables") == ["variables.data-00000-of-00001", "variables.index"])
        #expect(try BundleReader("\(folder)/variables/variables").tensor("w") == Tensor([2, 3] as [Float]))

        // The values of the session now; the folder is replaced.
        try await session.run(change)
        try await ServableModel(session, builder, signatures: outputs).write(to: "\(folder)/")
        #expect(scratch.names == ["model"])
        let saved = try SavedModel(contentsOf: folder)
        #expect(try await saved.predict(["x": Tensor([1, 1] as [Float])], in: saved.session())["y"] == Tensor([5, 7] as [Float]))

        try FileSystem.createDirectory("\(scratch.path)/other")
        try AtomicFile.write([1], to: "\(scratch.path)/other/notes.txt")
        for path in ["\(scratch.path)/other", "\(scratch.path)/other/notes.txt"] {
            let error = #expect(throws: Status.self) { try model.write(to: path) }
            #expect(error?.code == .alreadyExists)
        }
        #expect(scratch.names == ["model", "other"])
    }

    @Test("gathers of a variable and several reads of it become constants in a frozen graph")
    func frozenGathers() async throws {
        let builder = GraphBuilder()
        let ids = builder.placeholder(.int32, shape: [nil], name: "ids")
        let rows = builder.variable("rows", initial: [[1.0, 2], [3, 4], [5, 6]], .float32)
        let gathered = rows.handle.gatherVariable(ids, .float32)
        let sum = rows.read().sum(axes: [0]) + rows.value.sum(axes: [0])
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        let outputs = ServedOutputs(inputs: ["ids": ids], outputs: ["rows": gathered, "sum": sum])
        let model = try await ServableModel(session, builder, signatures: ["serving_default": outputs])
        let definition = try model.frozenGraph()
        #expect(!definition.nodes.contains { $0.op == "VarHandleOp" || $0.op == "ResourceGather" || $0.op == "ReadVariableOp" })
        // One constant has the values.
        let large = definition.nodes.filter { $0.attributes.tensor("value")?.shape == Shape(3, 2) }
        #expect(large.count == 1)
        let frozen = try await Session(Graph(definition))
        let names = model.signatures["serving_default"]?.outputs.mapValues(\.name) ?? [:]
        let found = try await frozen.run([names["rows"] ?? "", names["sum"] ?? ""], feeding: ["ids:0": Tensor([2, 0] as [Int32])])
        #expect(try found == [Tensor([5, 6, 1, 2] as [Float], shape: [2, 2]), Tensor([18, 24] as [Float])])
        let none = #expect(throws: Status.self) { try model.frozenGraph(signature: "other") }
        #expect(none?.code == .notFound && none?.message.contains("serving_default") == true)
    }

    @Test("a SavedModel of TensorFlow 2 computes what it computes there, with functions, a table and its initialization")
    func tensorFlows() async throws {
        let saved = try SavedModel(contentsOf: Self.fixtures + "saved-model")
        #expect(saved.signatures.keys.sorted() == ["serving_default", "sides"])
        let session = try await saved.session()
        let x = try Tensor([1, 2, 3, -3, 0, 0] as [Float], shape: Shape(2, 3))
        let values = try await saved.predict(["x": x], in: session)
        #expect(values["y"] == (try Tensor([16.5, 21.5, 0.5, 0] as [Float], shape: Shape(2, 2))))
        let sides = try await saved.predict(["x": x], signature: "sides", in: session)
        #expect(sides["side"] == Tensor([ByteString("right"), ByteString("left")]))
    }

    @Test("inputs that do not fit a signature, and models that are not there, are refused with what was expected")
    func mistakes() async throws {
        let saved = try SavedModel(contentsOf: Self.fixtures + "saved-model")
        let session = try await saved.session()
        let x = Tensor([1, 2, 3] as [Float])
        for (inputs, part) in [([:], "needs the input 'x'"), (["x": x], "float [?,3]"), (["x": x, "z": x], "float [?,3]")] as [([String: Tensor], String)] {
            let error = await #expect(throws: Status.self) { try await saved.predict(inputs, in: session) }
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(error?.message ?? "")")
        }
        let signature = await #expect(throws: Status.self) { try await saved.predict([:], signature: "other", in: session) }
        #expect(signature?.code == .notFound && signature?.message.contains("sides") == true)
        let tags = #expect(throws: Status.self) { try SavedModel(contentsOf: Self.fixtures + "saved-model", tags: ["train"]) }
        #expect(tags?.code == .notFound && tags?.message.contains("{serve}") == true)
        for path in [scratch.path, "\(scratch.path)/none.pb"] {
            let missing = #expect(throws: Status.self) { try SavedModel(contentsOf: path) }
            #expect(missing?.code == .notFound)
        }
        // A graph with variables is not frozen.
        let builder = GraphBuilder()
        _ = builder.variable("w", initial: 1.0)
        try AtomicFile.write(builder.graph().definition.serialized(), to: "\(scratch.path)/open.pb")
        let open = #expect(throws: Status.self) { try SavedModel(contentsOf: "\(scratch.path)/open.pb") }
        #expect(open?.code == .invalidArgument && open?.message.contains("variable 'w/handle'") == true, "\(open?.message ?? "")")
        // A file that is no model, at any place where it is cut.
        let bytes = try InputFile.contents(of: Self.fixtures + "saved-model/saved_model.pb")
        for count in stride(from: 0, to: bytes.count, by: 997) {
            try FileSystem.createDirectory("\(scratch.path)/cut")
            try AtomicFile.write(Array(bytes.prefix(count)), to: "\(scratch.path)/cut/saved_model.pb")
            #expect(throws: Status.self) { try SavedModel(contentsOf: "\(scratch.path)/cut") }
        }
    }

    @Test("values that are missing, or of another shape, are refused with the variable's name")
    func values() async throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 2, hidden: [], classCount: 2))
        var values = ["output/kernel": try Tensor.zeros(.float32, Shape(2, 2)), "output/bics": try Tensor.zeros(.float32, Shape(2))]
        let missing = #expect(throws: Status.self) { try ServableModel(model, values: values) }
        #expect(missing?.message.contains("'output/bias'") == true && missing?.message.contains("output/bics") == true)
        values["output/bias"] = try Tensor.zeros(.float32, Shape(3))
        let other = #expect(throws: Status.self) { try ServableModel(model, values: values) }
        #expect(other?.code == .invalidArgument && other?.message.contains("[2]") == true && other?.message.contains("[3]") == true)
        // A placeholder that is no input.
        let builder = GraphBuilder()
        let x = builder.placeholder(.float32, shape: [], name: "x"), z = builder.placeholder(.float32, shape: [], name: "z")
        let session = try await Session(builder.graph())
        let sum = x + z
        let extended = try builder.graph()
        try await session.extend(to: extended)
        let open = await #expect(throws: Status.self) {
            try await ServableModel(session, builder, signatures: ["serving_default": ServedOutputs(inputs: ["x": x], outputs: ["sum": sum])])
        }
        #expect(open?.code == .invalidArgument && open?.message.contains("placeholder 'z'") == true)
    }

    @Test("columns of a CSV file become the input's rows; a last column of labels is left out")
    func predictionData() throws {
        let info = ModelSignature.TensorInfo(name: "x:0", dtype: .float32, shape: [nil, 2])
        let signature = ModelSignature(inputs: ["x": info], outputs: ["y": info])
        let wanted = try Tensor([1, 2, 3, 4.5] as [Float], shape: Shape(2, 2))
        for text in ["a,b\n1,2\n3,4.5\n", "a,b,label\n1,2,cat\n3, 4.5 ,dog", "\"a, first\",b\r\n1,\"2\"\r\n\n3,4.5"] {
            #expect(try PredictionData.rows(csv: text, source: "t", for: signature) == ["x": wanted])
        }
        for (text, part) in [
            ("", "header"), ("a,b\n1\n", "row 2"), ("a,b\n1,x\n", "column 2"), ("a\n1\n", "takes 2 numbers"), ("a,b,c,d\n1,2,3,4", "takes 2"),
            ("a,b\n", "expected rows after the header"), ("a,b\n1,nan\n", "found 'nan'"),
        ] {
            let error = #expect(throws: Status.self) { try PredictionData.rows(csv: text, source: "t", for: signature) }
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(error?.message ?? "")")
        }
        let image = ModelSignature(inputs: ["x": .init(name: "x:0", dtype: .int64, shape: [nil, 2, 1])], outputs: [:])
        #expect(try PredictionData.rows(csv: "a,b\n1,2\n", source: "t", for: image) == ["x": try Tensor([1, 2] as [Int64], shape: Shape(1, 2, 1))])
        #expect(throws: Status.self) { try PredictionData.rows(csv: "a,b\n1,2.5\n", source: "t", for: image) }
        // A label that is not the last column is left out by its name.
        let labelled = "kind,a,b\n7,1,2\n"
        #expect(
            try PredictionData.rows(csv: labelled, source: "t", for: image, leavingOut: "kind") == ["x": try Tensor([1, 2] as [Int64], shape: Shape(1, 2, 1))])
        let error = #expect(throws: Status.self) { try PredictionData.rows(csv: labelled, source: "t", for: image, leavingOut: "class") }
        #expect(error?.message == "t: expected a column 'class' to leave out, found kind, a, b")
    }

    private static let flowers = ModelColumns(features: ["length", "width"], shape: [2], label: "species", classes: ["setosa", "virginica"])

    @Test("a model that names its columns takes them from a CSV file by name, in any order")
    func columnsByName() throws {
        let info = ModelSignature.TensorInfo(name: "features:0", dtype: .float32, shape: [nil, 2])
        let signature = ModelSignature(inputs: ["features": info], outputs: [:])
        let wanted = ["features": try Tensor([1, 2, 3, 4] as [Float], shape: Shape(2, 2))]
        func read(_ text: String, leavingOut label: String? = nil) throws -> (rows: [String: Tensor], choice: PredictionColumns?) {
            var choice: PredictionColumns?
            let rows = try PredictionData.rows(csv: text, source: "t", for: signature, columns: SavedModelTests.flowers, leavingOut: label) { choice = $0 }
            return (rows, choice)
        }
        for (text, leftOut) in [
            ("length,width\n1,2\n3,4\n", []), ("width,length\n2,1\n4,3\n", []),
            ("species,width,length\nsetosa,2,1\nvirginica,4,3\n", []), ("width,id,length,note\n2,a,1,b\n4,,3,\n", ["id", "note"]),
        ] as [(String, [String])] {
            let found = try read(text)
            #expect(found.rows == wanted && found.choice?.isByName == true && found.choice?.leftOut == leftOut, "\(text)")
        }
        // Nothing is taken by its place unless that is asked for.
        let byPlace = try PredictionData.rows(csv: "a,b,kind\n1,2,x\n3,4,y\n", source: "t", for: signature) { choice in
            #expect(!choice.isByName && choice.leftOut == ["kind"])
        }
        #expect(byPlace == wanted)
        #expect(try read("id,width,length\n7,2,1\n8,4,3\n", leavingOut: "id").choice?.leftOut == [])
        for (text, label, message) in [
            ("a,b\n1,2\n", nil, "t: row 1: expected a column 'length', which the model takes, found a, b"),
            ("widt,length\n2,1\n", nil, "t: row 1: expected a column 'width', which the model takes, found widt, length; near: widt"),
            ("width,length,width\n2,1,2\n", nil, "t: row 1: expected one column 'width', found columns 1 and 3"),
            ("width,length\n2,1\n", "width", "t: column 'width' is one that the model takes; expected another one to leave out"),
            ("width,id,length\n2,a,b\n", nil, "t: row 2, column 3 ('length'): expected a number, found 'b'"),
        ] as [(String, String?, String)] {
            let error = #expect(throws: Status.self) { try read(text, leavingOut: label) }
            #expect(error?.message == message)
        }
    }

    @Test("a saved model keeps the names of its columns and classes, and one without them is read as before")
    func columnsFile() async throws {
        let table = try Table.iris()
        let network = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [], classCount: 3))
        let values = ["output/kernel": try Tensor.zeros(.float32, Shape(4, 3)), "output/bias": try Tensor.zeros(.float32, Shape(3))]
        var model = try ServableModel(network, values: values)
        let plain = "\(scratch.path)/plain", named = "\(scratch.path)/named"
        try model.write(to: plain)
        #expect(try SavedModel(contentsOf: plain).columns == nil)
        model.columns = ModelColumns(.table(table))
        try model.write(to: named)
        let saved = try SavedModel(contentsOf: named)
        #expect(saved.columns == ModelColumns(table) && saved.columns?.features.count == 4 && saved.columns?.label == table.columns.last)
        #expect(saved.columns?.classes == table.classes && saved.columns?.className(1) == table.classes[1] && saved.columns?.className(9) == "9")
        #expect(ModelColumns(.dataset(Dataset(table))) == ModelColumns(shape: [4], classes: table.classes))
        let file = "\(named)/assets.extra/columns.json"
        for (text, part) in [
            ("{", "expected"), ("[]", "expected an object"), ("{}", "features: expected an object"), ("{\"features\":{\"shape\":[-1]}}", "a list of sizes"),
            ("{\"features\":{\"shape\":[2],\"columns\":[\"a\"]}}", "expected 2 names"),
            ("{\"features\":{\"shape\":[2],\"columns\":[\"a\",\"a\"]}}", "each name once"),
            ("{\"features\":{\"shape\":[9223372036854775807,3],\"columns\":[\"a\"]}}", "found 1"),
            ("{\"features\":{\"shape\":[]},\"labels\":{\"classes\":[1]}}", "labels.classes: expected a list of names"),
        ] {
            try AtomicFile.write(Array(text.utf8), to: file)
            let error = #expect(throws: Status.self) { try SavedModel(contentsOf: named) }
            #expect(error?.message.hasPrefix(file) == true && error?.message.contains(part) == true, "\(error?.message ?? "")")
        }
    }
}
