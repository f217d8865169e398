import ArgumentParser
import Weir

/// The options that name a model.
struct ModelOptions: ParsableArguments {
    @Option(help: "dnn, dense layers; cnn, convolutions; transformer; or a graph of TensorFlow's: FILE.pb, .pbtxt, .meta or a saved model.")
    var model = "dnn"
    @Option(help: "dnn: units of each hidden layer (default: 10,20,20,20,10).") var hidden: String?
    @Option(help: "File: the name of the loss, the mean over the rows of a batch.") var loss: String?
    @Option(name: .customLong("input"), help: ArgumentHelp("File: features=x:0 or labels=y:0, the placeholders.", valueName: "NAME=TENSOR"))
    var inputs: [String] = []
    @Option(help: "File: the name of the predictions, logits of the classes.") var predictions: String?
    @Option(name: .customLong("metric"), help: ArgumentHelp("File: accuracy=acc:0, a scalar to show for held-out rows.", valueName: "NAME=TENSOR"))
    var metrics: [String] = []

    /// What `--model` names.
    enum Kind {
        case dnn, cnn, transformer
        case file(String)
    }

    var kind: Kind {
        switch model {
        case "dnn": .dnn
        case "cnn": .cnn
        case "transformer": .transformer
        default: .file(model)
        }
    }

    /// What training takes where the user does not say.
    var defaults: TrainingDefaults {
        switch kind {
        case .dnn, .file: TrainingDefaults(data: "iris", steps: 200, batch: 32, optimizer: "momentum", learningRate: 0.01)
        case .cnn: TrainingDefaults(data: "digits", steps: 600, batch: 32, optimizer: "adam", learningRate: 0.004)
        case .transformer: TrainingDefaults(data: "digits", steps: 800, batch: 32, optimizer: "adam", learningRate: 0.002)
        }
    }

    /// The model for a table's rows.
    /// - Throws: `invalidArgument` when the options do not fit the model or the table; the errors of `ModelGraph`.
    func graph(for table: Table, seed: Int) throws -> ModelGraph {
        if case .file = kind {
        } else if let option = fileOption {
            throw Status.invalidArgument("--\(option) is for a model in a file; found --model \(model)")
        }
        if case .dnn = kind {} else if hidden != nil { throw Status.invalidArgument("--hidden is for --model dnn, found --model \(model)") }
        let classCount = table.classes.count
        switch kind {
        case .dnn:
            return try ModelGraph(DenseNetwork(inputCount: table.featureCount, hidden: hiddenUnits(), classCount: classCount, seed: seed))
        case .cnn:
            let side = try side(of: table)
            return try ModelGraph(ConvolutionalNetwork(imageShape: [side, side, 1], classCount: classCount, seed: seed))
        case .transformer:
            let side = try side(of: table)
            return try ModelGraph(Transformer(tokenCount: side, tokenSize: side, classCount: classCount, seed: seed))
        case .file(let path):
            let suffixes = [".pb", ".pbtxt", ".meta", ".txt"]
            guard suffixes.contains(where: path.hasSuffix) || path.contains("/" as Character) else {
                throw Status.invalidArgument(
                    "--model must be dnn, cnn, transformer, or a file .pb, .pbtxt or .meta or the folder of a saved model, found '\(path)'")
            }
            guard let loss else { throw Status.invalidArgument("--model \(path) needs --loss, the name of its loss") }
            return try ModelGraph(
                contentsOf: path, loss: loss, inputs: named(inputs, "--input"), predictions: predictions, metrics: named(metrics, "--metric"))
        }
    }

    /// An option that was given and that only models in files have.
    private var fileOption: String? {
        loss != nil ? "loss" : !inputs.isEmpty ? "input" : predictions != nil ? "predictions" : !metrics.isEmpty ? "metric" : nil
    }

    private func hiddenUnits() throws -> [Int] {
        try (hidden ?? "10,20,20,20,10").split(separator: ",").map { field in
            guard let units = Int(field), (1...1_000_000).contains(units) else {
                throw Status.invalidArgument("--hidden must be numbers of units such as 10,20,10; found '\(field)'")
            }
            return units
        }
    }

    /// The height and width of a row that is a square image.
    private func side(of table: Table) throws -> Int {
        let side = Int(Double(table.featureCount).squareRoot().rounded())
        guard side >= 2, side * side == table.featureCount else {
            throw Status.invalidArgument("--model \(model) takes rows that are square images, such as 64 features; found \(table.featureCount)")
        }
        return side
    }

    private func named(_ pairs: [String], _ option: String) throws -> [String: String] {
        var result: [String: String] = [:]
        for pair in pairs {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw Status.invalidArgument("\(option) must be NAME=TENSOR such as features=x:0, found '\(pair)'") }
            guard result.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw Status.invalidArgument("\(option) names '\(parts[0])' twice")
            }
        }
        return result
    }
}

/// What training takes where the user does not say.
struct TrainingDefaults {
    var data: String
    var steps: Int
    var batch: Int
    var optimizer: String
    var learningRate: Double
}
