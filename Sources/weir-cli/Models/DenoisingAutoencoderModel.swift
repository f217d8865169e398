import Weir

/// `--model denoising-autoencoder`.
struct DenoisingAutoencoderModel: NamedModel {
    let name = "denoising-autoencoder"
    let summary = "the same, which learns to take noise away"
    let defaults = TrainingDefaults(data: "digits", steps: 3000, batch: 32, optimizer: "adam", learningRate: 0.002)
    let options = ["hidden", "code", "noise"]
    let isClassifier = false
    let showsResults = true

    private func noise(_ options: ModelOptions) -> Double { options.noise ?? 0.5 }

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let shape = try rows.features(for: name)
        return try ModelGraph(
            Autoencoder(
                inputCount: shape.reduce(1, *), hidden: options.hiddenUnits(default: [128]), code: options.codeUnits(default: 32), noise: noise(options),
                seed: seed))
    }

    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult] {
        let clean = try trained.features()
        let noisy = try await clean.disturbed(by: noise(options), seed: trained.seed)
        let made = try await trained.predictions(for: noisy)
        let before = try clean.meanSquaredDifference(from: noisy), after = try clean.meanSquaredDifference(from: made)
        let numbers = "\(fixed(before, 4)) before, \(fixed(after, 4)) after the network"
        let result = ModelResult.text(title: "mean squared error of \(clean.dimension(0)) held-out rows with noise", numbers)
        guard let shown = try ShownRows(trained) else { return [result] }
        let lines = try [shown.line("original", clean), shown.line("with noise", noisy), shown.line("reconstruction", made)]
        return [shown.file("reconstructions", "Held-out rows, with noise, and their reconstructions", lines), result]
    }
}

extension Tensor {
    /// The numbers with normally distributed noise that follows from a seed.
    fileprivate func disturbed(by deviation: Double, seed: Int) async throws(Status) -> Tensor {
        let noise = try await Tensor.standardNormal(shape, seed: seed).array(of: Float.self)
        return try Tensor(zip(try array(of: Float.self), noise).map { $0 + Float(deviation) * $1 }, shape: shape)
    }

    fileprivate func meanSquaredDifference(from other: Tensor) throws(Status) -> Double {
        let values = zip(try array(of: Float.self), try other.array(of: Float.self)).map { Double(($0 - $1) * ($0 - $1)) }
        return values.reduce(0, +) / Double(max(1, values.count))
    }
}
