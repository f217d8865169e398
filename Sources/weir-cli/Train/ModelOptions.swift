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

    func validate() throws {
        if case .file(let path) = kind {
            let suffixes = [".pb", ".pbtxt", ".meta", ".txt"]
            guard suffixes.contains(where: path.hasSuffix) || path.contains("/" as Character) else {
                throw ValidationError(
                    "--model must be dnn, cnn, transformer, or a file .pb, .pbtxt or .meta or the folder of a saved model, found '\(path)'")
            }
            guard loss != nil else { throw ValidationError("--model \(path) needs --loss, the name of its loss") }
        } else if let option = fileOption {
            throw ValidationError("--\(option) is for a model in a file; found --model \(model)")
        }
        if case .dnn = kind {} else if hidden != nil { throw ValidationError("--hidden is for --model dnn, found --model \(model)") }
        _ = try (hiddenUnits(), named(inputs, "--input"), named(metrics, "--metric"))
    }

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
    func graph(for table: Table, seed: Int) throws -> ModelGraph { try graph(for: TrainingRows(table), seed: seed) }

    /// The model for some rows.
    /// - Throws: `ValidationError` when the options do not fit the rows; the errors of `ModelGraph`.
    func graph(for rows: TrainingRows, seed: Int) throws -> ModelGraph {
        switch kind {
        case .dnn:
            let (shape, classCount) = try classified(rows)
            return try ModelGraph(DenseNetwork(inputCount: shape.reduce(1, *), hidden: hiddenUnits(), classCount: classCount, seed: seed))
        case .cnn:
            let (shape, classCount) = try classified(rows)
            let image = shape.count == 3 ? shape : shape.count == 2 ? shape + [1] : try square(shape) + [1]
            return try ModelGraph(ConvolutionalNetwork(imageShape: image, classCount: classCount, seed: seed))
        case .transformer:
            let (shape, classCount) = try classified(rows)
            // Each line of a picture is a token.
            let tokens = shape.count >= 2 ? [shape[0], shape.dropFirst().reduce(1, *)] : try square(shape)
            return try ModelGraph(Transformer(tokenCount: tokens[0], tokenSize: tokens[1], classCount: classCount, seed: seed))
        case .file(let path):
            return try ModelGraph(
                contentsOf: path, loss: loss ?? "", inputs: named(inputs, "--input"), predictions: predictions, metrics: named(metrics, "--metric"))
        }
    }

    /// An option that was given and that only models in files have.
    private var fileOption: String? {
        loss != nil ? "loss" : !inputs.isEmpty ? "input" : predictions != nil ? "predictions" : !metrics.isEmpty ? "metric" : nil
    }

    private func hiddenUnits() throws -> [Int] {
        let text = hidden ?? "10,20,20,20,10"
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { field in
            guard let units = Int(field), (1...1_000_000).contains(units) else {
                throw ValidationError("--hidden must be numbers of units such as 10,20,10; found '\(field)' in '\(text)'")
            }
            return units
        }
    }

    /// The shape of a row of features, and the number of classes.
    private func classified(_ rows: TrainingRows) throws -> (shape: [Int], classCount: Int) {
        guard let shape = rows.featureShape, let classCount = rows.classCount else {
            throw ValidationError(
                "--model \(model) takes the columns 'features', of numbers, and 'labels', of class numbers, which --columns names; found data without them")
        }
        return (shape, classCount)
    }

    /// The height and width of a row that is a square image.
    private func square(_ shape: [Int]) throws -> [Int] {
        let count = shape.reduce(1, *)
        let side = Int(Double(count).squareRoot().rounded())
        guard side >= 2, side * side == count else {
            throw ValidationError("--model \(model) takes rows that are images, square ones such as 64 features if their shape does not say; found \(count)")
        }
        return [side, side]
    }

    private func named(_ pairs: [String], _ option: String) throws -> [String: String] {
        var result: [String: String] = [:]
        for pair in pairs {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw ValidationError("\(option) must be NAME=TENSOR such as features=x:0, found '\(pair)'")
            }
            guard result.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw ValidationError("\(option) names '\(parts[0])' twice")
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
