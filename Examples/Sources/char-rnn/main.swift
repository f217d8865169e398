// Trains a recurrent network on a text of one's own, a nursery rhyme, and lets it write.
import Weir

let path = CommandLine.arguments.dropFirst().first ?? String(#filePath.dropLast("main.swift".count)) + "jack.txt"

// Each row has 32 characters, and for each of them the one that follows. The vocabulary is what occurs in the file.
let text = try Dataset(textFile: path, window: 32)
let vocabulary = try Vocabulary(text.column("features"))
print("\(text.rowCount) rows of characters, \(vocabulary.count) different ones")

// A vector for each character, an LSTM, and a dense layer after each step: `TransformerLanguageModel` could be in its place. Gradients through many
// steps can become large, so their norm is limited.
let network = RecurrentLanguageModel(window: 32, characterCount: vocabulary.count, embeddingSize: 16, units: [64])
var options = try TrainingOptions(
    network, data: .dataset(text), optimizer: Adam(learningRate: 0.01).clipped(.globalNorm(1)), stepCount: 300, batchSize: 16)
options.returnsParameters = true  // the report has the trained values
options.evaluationBatchSize = 64

// Rows that are held out tell how much of the next character is known: a compressor that used the model would write so many bits.
let report = try await Trainer(options) { event in
    if case .step(let step) = event, step.step % 100 == 0 { print("step \(step.step): loss \(step.loss)") }
}.run()
let bits = report.testMetrics["bits_per_character"] ?? .nan
print("\(bits) bits per character, \(report.testAccuracy) of the next characters right, on \(report.testRowCount) held-out rows")

// Character by character, each drawn from the probabilities of those that can follow.
let sampler = try TextSampler(options.model, values: report.parameters, vocabulary: vocabulary)
let prompt = "This is the "
let sample = try await sampler.sample(after: prompt, length: 200, temperature: 0.5, seed: 1)
print("\n\(prompt)\(sample)")

guard CommandLine.arguments.count > 1 || bits < 1.5 else { throw Status.internalError("expected less than 1.5 bits per character, found \(bits)") }
