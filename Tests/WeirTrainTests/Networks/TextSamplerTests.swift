import Testing
import Weir
import WeirTensor

@testable import WeirTrain

@Suite("Sampled texts")
struct TextSamplerTests {
    /// Eight characters that follow each other in a circle, so that there is one right continuation.
    private static let circle = String(repeating: "abcdefgh", count: 60)

    /// A model that has learned the circle.
    private func trained(_ network: (_ window: Int, _ count: Int) -> any LanguageModel) async throws -> (TextSampler, TrainingReport) {
        let dataset = try Dataset(text: TextSamplerTests.circle, window: 6)
        let vocabulary = try Vocabulary(dataset.column("features"))
        var options = try TrainingOptions(
            network(6, vocabulary.count), data: .dataset(dataset), optimizer: Adam(learningRate: 0.02).clipped(.globalNorm(1)), stepCount: 80, batchSize: 16)
        options.returnsParameters = true
        options.tracedSteps = []
        let report = try await Trainer(options).run()
        return (try TextSampler(options.model, values: report.parameters, vocabulary: vocabulary), report)
    }

    private static let networks: [@Sendable (_ window: Int, _ count: Int) -> any LanguageModel] = [
        { RecurrentLanguageModel(window: $0, characterCount: $1, embeddingSize: 8, units: [16]) },
        { TransformerLanguageModel(window: $0, characterCount: $1, width: 16, heads: 2, depth: 1) },
    ]

    @Test("a text goes on as the model has learned, from a prompt that is shorter or longer than a row", arguments: [0, 1])
    func continuation(_ index: Int) async throws {
        let (sampler, report) = try await trained(TextSamplerTests.networks[index])
        #expect(report.testAccuracy > 0.99 && (report.testMetrics["bits_per_character"] ?? .nan) < 0.2, "\(report.testMetrics)")
        #expect(try await sampler.sample(after: "c", length: 20, temperature: 0) == "defghabcdefghabcdefg".prefix(20))
        #expect(try await sampler.sample(after: "fghabcdefgha", length: 3, temperature: 0.1, seed: 4) == "bcd")
        #expect(try await sampler.sample(after: "a", length: 0) == "")
        let drawn = try await sampler.sample(after: "a", length: 30, temperature: 50, seed: 2)
        #expect(try await sampler.sample(after: "a", length: 30, temperature: 50, seed: 2) == drawn)
        #expect(try await sampler.sample(after: "a", length: 30, temperature: 50, seed: 3) != drawn)
        for (prompt, length, temperature) in [("", 1, 1), ("aX", 1, 1), ("a", -1, 1), ("a", 1, -1), ("a", 1, .nan), ("a", 1, .infinity)]
            as [(String, Int, Double)]
        {
            let error = await #expect(throws: Status.self) { try await sampler.sample(after: prompt, length: length, temperature: temperature) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test("characters are drawn by their probabilities at the temperature")
    func probabilities() throws {
        // exp of the logits: 1, 2 and 5.
        let logits: [Float] = [0, 0.693_147_2, 1.609_437_9]
        var generator = SplitMix(seed: 1)
        for (temperature, expected) in [(1.0, [0.125, 0.25, 0.625]), (0.5, [1 / 30, 4 / 30, 25 / 30])] as [(Double, [Double])] {
            var counts = [0, 0, 0]
            for _ in 0..<20_000 { counts[Int(try TextSampler.draw(logits[...], temperature, &generator))] += 1 }
            for (count, share) in zip(counts, expected) { #expect(abs(Double(count) / 20_000 - share) < 0.015, "\(temperature): \(counts)") }
        }
        #expect(try TextSampler.draw([-3e38, 3e38, 0][...], 1e-300, &generator) == 1)
        #expect(try TextSampler.draw([9, 0, 3][1...], 0, &generator) == 1)
        for wrong in [Float.nan, .infinity] {
            let error = #expect(throws: Status.self) { try TextSampler.draw([0, wrong], 1, &generator) }
            #expect(error?.message.contains("diverged") == true)
        }
    }

    @Test("another kind of model, and another vocabulary, are refused")
    func otherModels() throws {
        let vocabulary = try Vocabulary(of: "abc".unicodeScalars)
        func values(_ model: ModelGraph) throws -> [String: Tensor] {
            try Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.name, try Tensor.zeros($0.dtype, $0.shape)) })
        }
        let digits = try ModelGraph(RecurrentNetwork(stepCount: 2, stepSize: 2, units: [2], classCount: 3))
        let texts = try ModelGraph(RecurrentLanguageModel(window: 2, characterCount: 4, embeddingSize: 2, units: [2]))
        for (model, expected) in [(digits, "expected a model of texts"), (texts, "expected the 4 characters that the model knows, found a vocabulary of 3")] {
            let error = #expect(throws: Status.self) { try TextSampler(model, values: values(model), vocabulary: vocabulary) }
            #expect(error?.code == .invalidArgument && error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
    }
}
