import Weir

/// `--model cnn`.
struct ConvolutionalModel: NamedModel {
    let name = "cnn"
    let summary = "convolutions"
    let defaults = TrainingDefaults(data: "digits", steps: 600, batch: 32, optimizer: "adam", learningRate: 0.004)

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        let (shape, classCount) = try rows.classified(for: name)
        let image = shape.count == 3 ? shape : try TrainingRows.grid(shape, for: name) + [1]
        return try ModelGraph(ConvolutionalNetwork(imageShape: image, classCount: classCount, seed: seed))
    }
}
