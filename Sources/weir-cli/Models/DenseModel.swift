import Weir

/// `--model dnn`.
struct DenseModel: NamedModel {
    let name = "dnn"
    let summary = "dense layers, for classes or numbers"
    let defaults = TrainingDefaults(data: "iris", steps: 200, batch: 32, optimizer: "momentum", learningRate: 0.01)
    let options = ["hidden"]

    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph {
        if let regression = rows.regression {
            return try ModelGraph(DenseRegression(rows: regression, hidden: options.hiddenUnits(default: [10, 20, 20, 20, 10]), seed: seed))
        }
        let (shape, classCount) = try rows.classified(for: name)
        return try ModelGraph(
            DenseNetwork(inputCount: shape.reduce(1, *), hidden: options.hiddenUnits(default: [10, 20, 20, 20, 10]), classCount: classCount, seed: seed))
    }
}
