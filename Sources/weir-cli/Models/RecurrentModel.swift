import Weir

/// `--model rnn`.
struct RecurrentModel: NamedModel {
    let name = "rnn"
    let summary = "an LSTM over the lines of a picture"
    let defaults = TrainingDefaults(data: "digits", steps: 600, batch: 32, optimizer: "adam", learningRate: 0.005, clipNorm: 1)
    let options = ["hidden"]

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let (shape, classCount) = try rows.classified(for: name)
        // Each line of a picture is a step.
        let grid = try TrainingRows.grid(shape, for: name)
        return try ModelGraph(
            RecurrentNetwork(stepCount: grid[0], stepSize: grid[1], units: options.hiddenUnits(default: [64]), classCount: classCount, seed: seed))
    }
}
