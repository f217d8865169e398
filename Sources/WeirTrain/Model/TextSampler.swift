import Glibc
import WeirCluster
import WeirGraph
public import WeirTensor

/// Writes texts with a trained model of texts: character by character, each drawn from the probabilities that the model gives to those that can
/// follow.
///
/// ```swift
/// let sampler = try TextSampler(options.model, values: report.parameters, vocabulary: Vocabulary(book.column("features")))
/// print(try await sampler.sample(after: "Alice ", length: 400, temperature: 0.8, seed: 1))
/// ```
public struct TextSampler: Sendable {
    /// The characters that the model knows.
    public let vocabulary: Vocabulary
    private let model: ServableModel
    private let input: ModelSignature.TensorInfo
    private let output: ModelSignature.TensorInfo
    /// The number of characters of a row.
    private let window: Int

    /// - Parameters:
    ///   - model: that of a `LanguageModel`.
    ///   - values: the values of its variables by name, such as `TrainingReport.parameters`.
    ///   - vocabulary: that of the rows that it was trained on.
    /// - Throws: `invalidArgument` when the model is of another kind or has another number of characters; when a value is missing.
    public init(_ model: ModelGraph, values: [String: Tensor], vocabulary: Vocabulary) throws(Status) {
        let servable = try ServableModel(model, values: values)
        guard let signature = servable.signatures[ModelSignature.defaultName], signature.inputs.count == 1, let input = signature.inputs["features"],
            let output = signature.outputs["predictions"], input.dtype == .int32, input.shape.rank == 2, let window = input.shape[1],
            output.dtype == .float32, output.shape.rank == 3
        else {
            throw .invalidArgument(
                "TextSampler: expected a model of texts, whose input 'features' is int32 of [rows, characters] and whose predictions are float of "
                    + "[rows, characters, vocabulary]; found inputs \(model.inputs.keys.sorted().joined(separator: ", "))")
        }
        guard output.shape[2] == vocabulary.count else {
            throw .invalidArgument(
                "TextSampler: expected the \(output.shape[2] ?? 0) characters that the model knows, found a vocabulary of \(vocabulary.count)")
        }
        self.vocabulary = vocabulary
        self.model = servable
        self.input = input
        self.output = output
        self.window = window
    }

    /// Writes a text. The model sees as many of the last characters as a row has.
    /// - Parameters:
    ///   - prompt: the beginning; at least one character. It is not returned.
    ///   - length: the number of characters to write.
    ///   - temperature: logits are divided by it: below 1 the probable becomes more probable. At 0 the most probable character is taken.
    ///   - seed: the same seed gives the same text.
    /// - Throws: `invalidArgument` when the prompt is empty or has a character that the model does not know, the length or the temperature is
    ///   negative, or the model predicts no numbers, as after a training that diverged.
    public func sample(after prompt: String, length: Int, temperature: Double = 1, seed: Int = 1) async throws(Status) -> String {
        guard !prompt.isEmpty else { throw .invalidArgument("A text is continued from at least one character, found an empty prompt") }
        guard length >= 0, temperature >= 0, temperature.isFinite else {
            throw .invalidArgument("Length and temperature of a text must be at least 0, found \(length) and \(temperature)")
        }
        let start = try vocabulary.numbers(of: prompt)
        let session = try await model.session()
        let written: [Int32]
        do throws(Status) { written = try await write(after: start, length, temperature, seed, session) } catch {
            // The error of closing is of no interest after the other.
            try? await session.close()
            throw error
        }
        try await session.close()
        return vocabulary.text(written)
    }

    private func write(after start: [Int32], _ length: Int, _ temperature: Double, _ seed: Int, _ session: Session) async throws(Status) -> [Int32] {
        var text = start
        var generator = SplitMix(seed: UInt64(bitPattern: Int64(seed)))
        while text.count - start.count < length {
            // A row that is not full is filled with any character: no prediction depends on a later one.
            let seen = text.suffix(window), padding = [Int32](repeating: 0, count: window - seen.count)
            let row = Tensor(Array(seen) + padding, ofShape: [1, window])
            let reply = try await session.run(fetches: [output.name], feeds: [NamedTensor(input.name, row)])
            guard let logits = try reply.tensors.first?.tensor.array(of: Float.self), logits.count == window * vocabulary.count else {
                throw .internalError("TextSampler: the model returned no predictions of \(window) characters")
            }
            let after = (seen.count - 1) * vocabulary.count
            text.append(try TextSampler.draw(logits[after..<after + vocabulary.count], temperature, &generator))
        }
        return Array(text[start.count...])
    }

    /// Draws a number by the probabilities of logits.
    static func draw(_ logits: ArraySlice<Float>, _ temperature: Double, _ generator: inout some RandomNumberGenerator) throws(Status) -> Int32 {
        guard let greatest = logits.max(), let best = logits.firstIndex(of: greatest), logits.allSatisfy(\.isFinite) else {
            throw .invalidArgument("The model's predictions must be finite numbers, found others; its training may have diverged")
        }
        guard temperature > 0 else { return Int32(clamping: best - logits.startIndex) }
        // Of the greatest logit the weight is 1, so nothing overflows.
        let weights = logits.map { Glibc.exp((Double($0) - Double(greatest)) / temperature) }
        var rest = Double.random(in: 0..<weights.reduce(0, +), using: &generator)
        for (number, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 { return Int32(clamping: number) }
        }
        return Int32(clamping: best - logits.startIndex)
    }
}
