import Weir

/// `--model char-transformer`.
struct TransformerTextModel: TextModel {
    let name = "char-transformer"
    let summary = "causal attention that writes text"
    let defaults = TrainingDefaults(
        data: "alice", steps: 1000, batch: 32, optimizer: "adam", learningRate: 0.002, trainedFolds: 1, evaluationBatch: 256)
    let options = TextModelOptions.names

    func network(window: Int, characterCount: Int, _ options: ModelOptions, seed: Int) throws -> any LanguageModel {
        TransformerLanguageModel(window: window, characterCount: characterCount, seed: seed)
    }
}
