import Weir

/// `--model char-rnn`.
struct RecurrentTextModel: TextModel {
    let name = "char-rnn"
    let summary = "an LSTM that writes text"
    let defaults = TrainingDefaults(
        data: "alice", steps: 1000, batch: 32, optimizer: "adam", learningRate: 0.008, clipNorm: 1, trainedFolds: 1, evaluationBatch: 256)
    let options = ["hidden"] + TextModelOptions.names

    func network(window: Int, characterCount: Int, _ options: ModelOptions, seed: Int) throws -> any LanguageModel {
        RecurrentLanguageModel(window: window, characterCount: characterCount, units: try options.hiddenUnits(default: [128]), seed: seed)
    }
}
