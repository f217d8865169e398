// Trains networks that reproduce handwritten digits through a code of eight numbers, without labels. One of them then makes new digits.
import Weir

// The features alone, standardized like the rows that are trained on.
let digits = TrainingData.standardized(try Dataset(Table.digits()).keeping(["features"]))

/// Trains a network on four fifths of the rows.
func train(_ network: some Model, named name: String) async throws -> (model: ModelGraph, report: TrainingReport) {
    let model = try ModelGraph(network)
    var options = TrainingOptions(model, data: digits, optimizer: Adam(learningRate: 0.002), stepCount: 1500)
    options.returnsParameters = true
    let report = try await Trainer(options).run()
    let numbers = report.testMetrics.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    print("\(name): \(numbers.joined(separator: ", ")) on \(report.testRowCount) held-out rows")
    return (model, report)
}

// The encoder's layers become narrower, the decoder's wider. The error is the part of the variance that eight numbers do not tell.
let (plain, trained) = try await train(Autoencoder(inputCount: 64, hidden: [32], code: 8), named: "autoencoder")
guard let error = trained.testMetrics["reconstruction_error"], error < 0.35 else { throw Status.internalError("expected an error below 0.35") }

// Any output that the model names can be computed, or be fed in place of what the network computes.
let rows = try Tensor([Float](repeating: 0.5, count: 64), shape: Shape(1, 64))
let code = try await plain.evaluate(["code"], values: trained.parameters, feeding: ["features": rows])
let decoded = try await plain.evaluate(["predictions"], values: trained.parameters, feeding: code)
let whole = try await plain.evaluate(["predictions"], values: trained.parameters, feeding: ["features": rows])
guard decoded == whole else { throw Status.internalError("expected the decoder to make of a code what the network makes of its row") }

// Codes of the variational one are distributed like random numbers, so the decoder makes digits of those.
let variational = VariationalAutoencoder(inputCount: 64, hidden: [64], code: 8)
let (generator, generative) = try await train(variational, named: "variational autoencoder")
let codes = try await VariationalAutoencoder.codes(count: 40, size: 8, seed: 1)
let made = try await generator.evaluate(["predictions"], values: generative.parameters, feeding: ["code": codes])
guard let samples = made["predictions"] else { throw Status.internalError("the model has no predictions") }

// Back on the scale of the pixels, 0 to 16.
guard let standardization = try Standardization(digits, fold: 0, of: 5, seed: 1) else { throw Status.internalError("the rows are standardized") }
let pixels = try standardization.undone(samples).array(of: Float.self).map { $0 / 16 }
let pictures = (0..<40).map { Array(pixels[$0 * 64..<($0 + 1) * 64]) }
let grid = PictureGrid(
    title: "Digits made of random codes", height: 8, width: 8, lines: stride(from: 0, to: 40, by: 10).map { .init("", Array(pictures[$0..<$0 + 10])) })
print("a picture of 40 made digits has \(grid.svg.utf8.count) bytes of SVG")

// New digits differ from each other about as much as real ones do, of which each differs from the mean by 1.
let values = try samples.array(of: Float.self)
let spread = zip(values.prefix(20 * 64), values.suffix(20 * 64)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Float(2 * 20 * 64)
print("made digits differ from their mean by \(spread)")
guard spread > 0.3, spread < 1.3 else { throw Status.internalError("expected digits that differ, found \(spread)") }
