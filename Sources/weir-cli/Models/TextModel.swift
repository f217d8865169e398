import Weir

/// A network of texts: it learns which character comes next, and writes a text after training.
protocol TextModel: NamedModel {
    /// The network for rows of so many characters.
    func network(window: Int, characterCount: Int, _ options: ModelOptions, seed: Int) throws -> any LanguageModel
}

extension TextModel {
    var isClassifier: Bool { false }
    var showsResults: Bool { true }

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let (window, vocabulary) = try rows.text(for: name)
        // A prompt that cannot be continued is found before the training.
        if let prompt = options.prompt { _ = try TextModelOptions.numbers(of: prompt, vocabulary) }
        return try ModelGraph(network(window: window, characterCount: vocabulary.count, options, seed: seed))
    }

    /// A text that follows the prompt, or the beginning of a row that was held out; and the characters by their numbers.
    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult] {
        let vocabulary = try Vocabulary(trained.test.column("features"))
        let sampler = try TextSampler(trained.graph, values: trained.values, vocabulary: vocabulary)
        let prompt = try options.prompt ?? TextModelOptions.prompt(from: trained.test, vocabulary)
        let temperature = options.temperature ?? 0.8
        let text = try await sampler.sample(after: prompt, length: options.sampleLength ?? 400, temperature: temperature, seed: trained.seed)
        let characters = JSONValue.array(vocabulary.names.map { .text($0) })
        return [
            .text(title: "sample after \(quoted(prompt)), temperature \(temperature)", text),
            .file(title: "characters by number", name: "vocabulary.json", contents: Array("\(characters)\n".utf8)),
        ]
    }
}

/// What the options of networks of texts mean.
enum TextModelOptions {
    /// The names of the options, without dashes.
    static let names = ["prompt", "temperature", "sample-length"]
    /// The most characters of a held-out row that are continued.
    private static let promptLength = 32

    static func numbers(of prompt: String, _ vocabulary: Vocabulary) throws(Status) -> [Int32] {
        guard !prompt.isEmpty else { throw .invalidArgument("--prompt must have at least one character, found none") }
        do throws(Status) { return try vocabulary.numbers(of: prompt) } catch { throw Status(error.code, "--prompt: \(error.message)") }
    }

    static func prompt(from test: Dataset, _ vocabulary: Vocabulary) throws(Status) -> String {
        vocabulary.text(try test.rows([0])["features"]?.array(of: Int32.self).prefix(promptLength) ?? [])
    }
}
