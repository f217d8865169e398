// Trains a model of one's own on a file of one's own: prices of houses from a CSV file, whose numbers are made up.
import Weir

/// The price as a weighted sum of what is known of a house, in units of the prices' spread.
struct Prices: Model {
    let inputs = [ModelInput("house", .float32, [6]), ModelInput("price", .float32, [1])]
    func predictions(_ inputs: ModelInputs) -> Output {
        inputs.builder.nameScope("sum") {
            let weights = inputs.builder.variable("weights") { inputs.builder.filled([6, 1], with: 0) }
            return inputs["house"].matMul(weights.value)
        }
    }
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { (predictions - inputs["price"]).square().mean() }
    func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] { ["error": (predictions - inputs["price"]).abs().mean()] }
}

// A column for each of the file's columns. Towns become numbers of classes; a missing garden becomes the mean.
var options = CSVOptions(classes: ["town"])
options.missing = .mean
let houses = try Dataset(csvFile: String(#filePath.dropLast("main.swift".count)) + "houses.csv", options)
print(houses)

// A town becomes three numbers, one of which is 1. Then each row is one vector for the model's input of that name.
let rows = try houses.map { row in
    var row = row
    let town = try row.removeValue(forKey: "town")?.integer() ?? 0
    row["towns"] = Tensor((0..<3).map { $0 == town ? Float(1) : 0 })
    return row
}.loaded()
let standard = try ["area", "rooms", "garden", "price"].reduce(rows) { try $0.standardized($1) }.joined(["area", "rooms", "garden", "towns"], as: "house")

// Any dataset is divided into folds; one is held out.
let training = try TrainingOptions(Prices(), data: .dataset(standard), optimizer: Adam(learningRate: 0.02), stepCount: 500)
let report = try await Trainer(training).run()
let error = report.testMetrics["error"] ?? .nan
print("mean error on \(report.testRowCount) held-out houses: \(error) of the prices' spread")
guard error < 0.15 else { throw Status.internalError("expected an error below 0.15, found \(error)") }
