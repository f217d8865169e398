import Weir

/// `--model variational-autoencoder`.
struct VariationalAutoencoderModel: NamedModel {
    let name = "variational-autoencoder"
    let summary = "the same, whose codes are random, to make new rows"
    let defaults = TrainingDefaults(data: "digits", steps: 3000, batch: 32, optimizer: "adam", learningRate: 0.002)
    let options = ["hidden", "code"]
    let isClassifier = false
    let showsResults = true

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let shape = try rows.features(for: name)
        return try ModelGraph(
            VariationalAutoencoder(
                inputCount: shape.reduce(1, *), hidden: options.hiddenUnits(default: [128, 64]), code: options.codeUnits(default: 8), seed: seed))
    }

    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult] {
        guard let shown = try ShownRows(trained) else { return [] }
        let made = try await trained.predictions(for: shown.features)
        let lines = try [shown.line("original", shown.features), shown.line("reconstruction", made)]
        var results = [shown.file("reconstructions", "Held-out rows and their reconstructions", lines)]
        let size = options.codeUnits(default: 8)
        let drawn = try await VariationalAutoencoder.codes(count: 50, size: size, seed: trained.seed)
        results.append(shown.file("samples", "Rows made of random codes", try shown.lines(of: 10, try await trained.predictions(decoding: drawn))))
        guard size == 2 else { return results }
        // From above to below, and from left to right, from -2 to 2 standard deviations.
        let places = (0..<13).map { Float($0) / 3 - 2 }
        let plane = try Tensor(places.flatMap { y in places.flatMap { [$0, -y] } }, shape: Shape(places.count * places.count, 2))
        let map = try shown.lines(of: places.count, try await trained.predictions(decoding: plane))
        results.append(shown.file("codes", "Rows made of the codes from (-2, 2) to (2, -2)", map))
        return results
    }
}
