import Weir

/// `--model autoencoder`.
struct AutoencoderModel: NamedModel {
    let name = "autoencoder"
    let summary = "dense layers that reproduce a row through a short code"
    let defaults = TrainingDefaults(data: "digits", steps: 2000, batch: 32, optimizer: "adam", learningRate: 0.002)
    let options = ["hidden", "code"]
    let isClassifier = false
    let showsResults = true

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let shape = try rows.features(for: name)
        return try ModelGraph(
            Autoencoder(inputCount: shape.reduce(1, *), hidden: options.hiddenUnits(default: [32]), code: options.codeUnits(default: 8), seed: seed))
    }

    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult] {
        guard let shown = try ShownRows(trained) else { return [] }
        let made = try await trained.predictions(for: shown.features)
        let lines = try [shown.line("original", shown.features), shown.line("reconstruction", made)]
        return [shown.file("reconstructions", "Held-out rows and their reconstructions", lines)]
    }
}
