import Weir

/// `--model transformer`.
struct TransformerModel: NamedModel {
    let name = "transformer"
    let summary = "attention over the lines of a picture"
    let defaults = TrainingDefaults(data: "digits", steps: 800, batch: 32, optimizer: "adam", learningRate: 0.002)

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let (shape, classCount) = try rows.classified(for: name)
        // Each line of a picture is a token.
        let grid = try TrainingRows.grid(shape, for: name)
        return try ModelGraph(Transformer(tokenCount: grid[0], tokenSize: grid[1], classCount: classCount, seed: seed))
    }
}
