import Synchronization
import Testing
import Weir
import WeirWire

@testable import WeirTrain

/// A regression with one weight for each element of `x`, of any floating type.
private struct Line: Model {
    var dtype = DType.float32
    var inputs: [ModelInput] { [ModelInput("x", dtype, [2]), ModelInput("y", dtype, [1])] }
    func predictions(_ inputs: ModelInputs) -> Output {
        inputs.builder.nameScope("line") {
            let w = inputs.builder.variable("w") { inputs.builder.filled([2, 1], with: 0, dtype) }
            return inputs["x"].matMul(w.value)
        }
    }
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { (predictions - inputs["y"]).square().mean() }
    func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] { ["error": (predictions - inputs["y"]).abs().mean()] }
}

/// Counts the steps of a training.
private final class Steps: Sendable {
    private let number = Mutex(0)
    var found: Int { number.withLock { $0 } }
    func count(_ event: TrainingEvent) { if case .step = event { number.withLock { $0 += 1 } } }
}

@Suite("Training on datasets", .timeLimit(.minutes(2)))
struct DatasetTrainingTests {
    private let scratch = FileSystemScratch()

    /// y = 2 a - 3 b.
    private func plane(_ count: Int) throws -> Dataset {
        var generator = SplitMix(seed: 9)
        let x = (0..<2 * count).map { _ in Float.random(in: -1...1, using: &generator) }
        var y: [Float] = []
        for row in 0..<count {
            let (a, b) = (x[2 * row], x[2 * row + 1])
            y.append(2 * a - 3 * b)
        }
        return try Dataset(["x": Tensor(x, shape: Shape(count, 2)), "y": Tensor(y)])
    }

    private func options(_ data: TrainingData, _ strategy: any Strategy = SingleDevice(), steps: Int = 200) throws -> TrainingOptions {
        var options = try TrainingOptions(
            Line(), data: data, strategy: strategy, optimizer: GradientDescent(learningRate: 0.3), stepCount: steps, batchSize: 16)
        options.devices = ["/cpu:0", "/cpu:1"]
        options.localDevices = try LocalDevices(cpuCount: 2)
        return options
    }

    @Test("a regression without labels learns its line, with one device and with two", arguments: [SingleDevice(), InGraphReplication()] as [any Strategy])
    func regression(_ strategy: any Strategy) async throws {
        let report = try await Trainer(options(.dataset(plane(100)), strategy)).run()
        #expect(report.testRowCount == 20)
        let errors = try (#require(report.testMetrics["error"]), #require(report.trainMetrics["error"]))
        #expect(errors.0 < 1e-3 && errors.1 < 1e-3, "\(errors)")
    }

    @Test("held-out rows that do not fit the model are refused before the first step")
    func heldOutShape() async throws {
        let narrow = try Dataset(["x": Tensor([1, 2] as [Float], shape: Shape(2, 1)), "y": Tensor([1, 2] as [Float])])
        let steps = Steps()
        let error = await #expect(throws: Status.self) {
            _ = try await Trainer(options(.divided(train: plane(100), test: narrow))) { steps.count($0) }.run()
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("[1]") == true && steps.found == 0, "\(error?.message ?? "")")
    }

    @Test("of a standardized dataset the training rows have the mean 0 and the deviation 1, and the change can be undone")
    func standardizedRows() throws {
        let rows = try plane(50).renamed(["x": "features"]), data = TrainingData.standardized(rows)
        let parts = try data.fold(1, of: 5, seed: 3)
        #expect(parts.train.rowCount == 40 && parts.test.rowCount == 10 && data.rowCount == 50)
        let values = try parts.train.values(of: "features").array(of: Float.self).map(Double.init)
        let statistics = SampleStatistics(values)
        #expect(abs(statistics.mean) < 1e-6 && abs(statistics.deviation - 1) < 1e-5)
        let change = try #require(try Standardization(data, fold: 1, of: 5, seed: 3))
        let (before, after) = (try rows.fold(1, of: 5, seed: 3).test.values(of: "features"), try parts.test.values(of: "features"))
        let undone = try change.undone(after).array(of: Float.self)
        for (a, b) in zip(undone, try before.array(of: Float.self)) { #expect(abs(a - b) < 1e-6) }
        #expect(throws: Status.self) { try change.undone(Tensor([1, 2, 3] as [Float], shape: Shape(1, 3))) }
    }

    @Test("features that are not finite are refused, with their place, where they are standardized")
    func notFinite() throws {
        let rows = try Dataset(["features": Tensor([1, 2, .nan, 4] as [Float], shape: Shape(2, 2)), "labels": Tensor([0, 1] as [Int32])])
        let table = #expect(throws: Status.self) { try Table(rows) }
        #expect(table?.message == "Column 'features', row 2: expected finite numbers, found nan")
        let standardized = #expect(throws: Status.self) { try rows.standardized("features") }
        #expect(standardized?.message.contains("element 1") == true)
    }

    @Test("values take the type of the model's inputs")
    func types() async throws {
        var options = try options(.dataset(plane(100)))
        options.model = try ModelGraph(Line(dtype: .float64))
        let report = try await Trainer(options).run()
        #expect(try #require(report.testMetrics["error"]) < 1e-3)
    }

    @Test("rows that a function makes on other threads train like those in memory, and go on from a checkpoint")
    func resumed() async throws {
        let dataset = try plane(60)
        let mapped = try dataset.map { $0 }.prefetch(3, threads: 2)
        func losses(_ dataset: Dataset, _ steps: Int, _ checkpoint: TrainingCheckpoint?) async throws -> [Float] {
            var options = try options(.dataset(dataset), steps: steps)
            options.checkpoint = checkpoint
            return try await Trainer(options).run().losses.map(\.loss)
        }
        let expected = try await losses(dataset, 20, nil)
        #expect(try await losses(mapped, 20, nil) == expected)
        let prefix = "\(scratch.path)/model"
        let begun = try await losses(mapped, 13, TrainingCheckpoint(prefix))
        let rest = try await losses(mapped, 20, TrainingCheckpoint(prefix, from: .latest))
        #expect(begun + rest == expected && rest.count == 7)
    }

    @Test("rows that are divided already are trained once, and tested on the others")
    func divided() async throws {
        let (train, test) = try (plane(50), plane(7))
        var options = try options(.divided(train: train, test: test))
        options.evaluatesTrainingRows = false
        let report = try await CrossValidation(options).run()
        #expect(report.folds.count == 1 && report.testRowCount == 7)
        #expect(report.folds[0].trainMetrics.isEmpty && report.folds[0].testMetrics["error"] != nil)
    }

    @Test("rows are evaluated in parts, whose means are those of all")
    func evaluated() async throws {
        let table = try Dataset(["x": Tensor([Float](repeating: 1, count: 88), shape: [11, 8]), "y": Tensor((0..<11).map { Float($0 * $0) })])
        struct Mean: Model {
            let inputs = [ModelInput("x", .float32, [8]), ModelInput("y", .float32)]
            func predictions(_ inputs: ModelInputs) -> Output {
                inputs["x"].matMul(inputs.builder.variable("w") { inputs.builder.filled([8, 1], with: 0) }.value)
            }
            func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { predictions.square().mean() }
            func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] { ["y": inputs["y"].mean()] }
        }
        var options = try TrainingOptions(Mean(), data: .divided(train: table.selecting(0..<8), test: table), stepCount: 1, batchSize: 4)
        // Three rows at a time, the last part less: by their bytes, and by their number.
        for limit in [nil, 3] {
            options.evaluationByteCount = limit == nil ? 120 : 1 << 20
            options.evaluationBatchSize = limit
            let report = try await Trainer(options).run()
            let means = try (#require(report.testMetrics["y"]), #require(report.trainMetrics["y"]))
            #expect(abs(means.0 - 35) < 1e-4 && abs(means.1 - 17.5) < 1e-4, "\(means)")
        }
        options.evaluationBatchSize = 0
        let error = await #expect(throws: Status.self) { try await Trainer(options).run() }
        #expect(error?.code == .invalidArgument && error?.message.contains("found 0") == true)
    }

    @Test("an input without a column, or with another shape or type, is refused with both")
    func mistakes() async throws {
        func message(_ tensors: [String: Tensor]) async throws -> String {
            let trainer = try Trainer(options(.dataset(Dataset(tensors))))
            let error = await #expect(throws: Status.self) { try await trainer.run() }
            return error?.message ?? ""
        }
        let ten = Tensor([Float](repeating: 0, count: 10))
        #expect(try await message(["x": Tensor([Float](repeating: 0, count: 20), ofShape: [10, 2])]).contains("columns 'x'; the model also has the input 'y'"))
        #expect(try await message(["x": ten, "y": ten]).contains("Input 'x' takes rows of [?,2] of float; the data has rows of [] of float"))
        #expect(try await message(["x": Tensor([ByteString](repeating: "a", count: 20), ofShape: [10, 2]), "y": ten]).contains("of string"))
        let trainer = try Trainer(options(.dataset(plane(1))))
        let error = await #expect(throws: Status.self) { try await trainer.run() }
        #expect(error?.message.contains("leave rows to train on; the data have 1 rows, of which 0 are to train on") == true)
    }

    @Test("a batch of more rows than there are to train on is refused with both numbers, and a learning rate that is no number")
    func batches() async throws {
        func failure(_ change: (inout TrainingOptions) throws -> Void) throws -> String? {
            var options = try options(.dataset(plane(20)))
            try change(&options)
            let trainer = Trainer(options)
            return thrownStatus { _ = try trainer.checkedPlan() }?.message
        }
        #expect(try failure { $0.batchSize = 16 } == nil)
        #expect(try failure { $0.batchSize = 17 } == "The batch size must be at most 16, the number of rows to train on, found 17")
        #expect(try failure { $0.optimizer = GradientDescent(learningRate: .constant(.nan)) } == "The learning rate must be finite, found nan")
        let mesh = try MeshParallel(axes: DeviceMesh.axes("data=2,model=1"))
        // 16 rows are two batches of 8, however many are asked for; 15 cannot be divided by two.
        #expect(try failure { $0.strategy = mesh } == nil)
        let divided = try failure {
            $0.strategy = mesh
            $0.data = .dataset(try plane(19))
            $0.batchSize = 8
        }
        #expect(divided == "A step takes 2 batches at once; the batch size must be at most 7, as there are 15 rows to train on, found 8")
        let least = (2...7).allSatisfy { count in
            guard let table = try? Table.iris(), let data = try? plane(23) else { return false }
            return [TrainingData.table(table), .dataset(data)].allSatisfy { data in
                let counts = (0..<count).compactMap { try? data.fold($0, of: count, seed: 3).train.rowCount }
                return counts.count == count && counts.min() == data.trainingRowCount(of: count)
            }
        }
        #expect(least)
    }

    @Test("an error of a file ends the training with the file's name")
    func damagedFile() async throws {
        let path = "\(scratch.path)/x.tfrecord"
        let dataset = try plane(40)
        try dataset.write(recordFile: path)
        var bytes = try InputFile.contents(of: path)
        bytes[bytes.count - 6] ^= 1
        try AtomicFile.write(bytes, to: path)
        let read = try Dataset(recordFiles: [path])
        let trainer = try Trainer(options(.divided(train: read, test: read), steps: 20))
        let error = await #expect(throws: Status.self) { try await trainer.run() }
        #expect(error?.code == .dataLoss && error?.message.contains(path) == true, "\(String(describing: error))")
    }
}
