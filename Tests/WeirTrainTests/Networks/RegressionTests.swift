import Testing
import Weir

@testable import WeirTrain

@Suite("Regression", .timeLimit(.minutes(2)))
struct RegressionTests {
    /// Prices by area and rooms, far from 0 and with a large deviation.
    private static let table: Table = {
        var generator = SplitMix(seed: 4)
        var text = "area,price,rooms\n"
        for _ in 0..<120 {
            let area = Double.random(in: 40...200, using: &generator), rooms = Double(Int.random(in: 1...6, using: &generator))
            text += "\(area),\(3_000 * area + 20_000 * rooms + 0.25),\(rooms)\n"
        }
        // The text is well formed.
        return (try? Table(csv: text, source: "houses", label: "price")) ?? Table(columns: ["label"], classes: [], values: [], labels: [])
    }()

    private func labels(_ texts: [String]) throws -> Table {
        try Table(csv: "x,y\n" + texts.map { "1,\($0)\n" }.joined(), source: "t")
    }

    @Test("many real numbers are numbers to predict; names, whole numbers and a few numbers are classes")
    func labels() throws {
        #expect(RegressionTests.table.rowCount == 120 && RegressionTests.table.hasRealLabels)
        #expect(try labels(["0.5", "1.5", "2", "-3e2"]).hasRealLabels)
        #expect(try !labels(["0.5", "1.5", "0.5", "1.5", "0.5"]).hasRealLabels)
        #expect(try !labels((0..<40).map { "\($0)" }).hasRealLabels && labels((0..<40).map { "\($0).0" }).targets?.last == 39)
        #expect(try !labels(["0.5", "1.5", "2.5", "cat"]).hasRealLabels)
        #expect(try labels(["0.5", "nan", "1"]).targets == nil)
        let error = #expect(throws: Status.self) { try Dataset(targetsOf: labels(["0.5", "cat"])) }
        #expect(error?.message == "Column 'y': expected numbers to predict, found 'cat'")
    }

    @Test(
        "prices are predicted: the error is below 0.02 of their variance", arguments: [SingleDevice(), InGraphReplication(), LayerParallel()] as [any Strategy])
    func learns(_ strategy: any Strategy) async throws {
        let rows = try Dataset(targetsOf: RegressionTests.table)
        var options = try TrainingOptions(
            DenseRegression(rows: rows, hidden: [16]), data: .standardized(rows), strategy: strategy, optimizer: Adam(learningRate: 0.02), stepCount: 300)
        options.devices = strategy is SingleDevice ? ["/cpu:0"] : ["/cpu:0", "/cpu:1"]
        options.batchSize = 16
        options.returnsParameters = true
        let report = try await Trainer(options).run()
        let found = try #require(report.testMetrics["error"])
        #expect(found < 0.02, "\(found)")

        // The model that is served takes rows as the table has them, and gives prices.
        let standardization = try #require(try Standardization(options.data, fold: 0, of: options.foldCount, seed: options.seed))
        let model = try ServableModel(options.model, values: report.parameters, standardization: standardization)
        #expect(model.signatures["serving_default"]?.outputs.keys.sorted() == ["predictions"])
        #expect(ModelColumns(options.data) == ModelColumns(features: ["area", "rooms"], shape: [2], label: "price"))
        let scratch = FileSystemScratch()
        try model.write(to: "\(scratch.path)/m")
        let saved = try SavedModel(contentsOf: "\(scratch.path)/m")
        let held = try rows.fold(0, of: options.foldCount, seed: UInt64(options.seed)).test
        let prices = try #require(try await saved.predict(["features": held.values(of: "features")], in: saved.session())["predictions"])
        #expect(prices.shape == [held.rowCount] && held.rowCount == 24)
        // The error is the mean squared error as a share of the variance.
        let expected = try held.values(of: "targets").array(of: Float.self), scale = try DenseRegression(rows: rows).scale
        let squares = zip(try prices.array(of: Float.self), expected).map { Double(($0 - $1) * ($0 - $1)) / (scale * scale) }
        #expect(scale > 50_000 && abs(squares.reduce(0, +) / Double(squares.count) - found) < 1e-5, "\(squares), \(found)")
    }
}
