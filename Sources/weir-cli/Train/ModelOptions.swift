import ArgumentParser
import Weir

/// The options that name a model.
struct ModelOptions: ParsableArguments {
    @Option(help: "\(NamedModels.help); or a graph of TensorFlow's: FILE.pb, .pbtxt, .meta or a saved model.")
    var model = "dnn"
    @Option(
        help: """
            Units of each hidden layer: dnn (default: 10,20,20,20,10), of each LSTM layer: rnn (64), char-rnn (128), of the layers before the code: \
            autoencoders.
            """)
    var hidden: String?
    @Option(help: ArgumentHelp("char-…: the text that the trained network goes on with (default: the beginning of a held-out row).", valueName: "TEXT"))
    var prompt: String?
    @Option(parsing: .unconditional, help: "char-…: below 1 the probable becomes more probable, at 0 certain (default: 0.8).") var temperature: Double?
    @Option(parsing: .unconditional, help: "char-…: characters to write (default: 400).") var sampleLength: Int?
    @Option(parsing: .unconditional, help: "Autoencoders: units of the code (default: 8, of the denoising one 32).") var code: Int?
    @Option(
        parsing: .unconditional,
        help: "denoising-autoencoder: standard deviation of the noise in training; that of all features is 1 in a table (default: 0.5).")
    var noise: Double?
    @Option(help: "File: the name of the loss, the mean over the rows of a batch.") var loss: String?
    @Option(name: .customLong("input"), help: ArgumentHelp("File: features=x:0 or labels=y:0, the placeholders.", valueName: "NAME=TENSOR"))
    var inputs: [String] = []
    @Option(help: "File: the name of the predictions, logits of the classes.") var predictions: String?
    @Option(name: .customLong("metric"), help: ArgumentHelp("File: accuracy=acc:0, a scalar to show for held-out rows.", valueName: "NAME=TENSOR"))
    var metrics: [String] = []

    func validate() throws {
        try require("--temperature", temperature, in: 0...100)
        try require("--sample-length", sampleLength, in: 0...1_000_000)
        try require("--code", code, in: 1...1_000_000)
        try require("--noise", noise, in: 0...1e6)
        if named == nil {
            let suffixes = [".pb", ".pbtxt", ".meta", ".txt"]
            guard !AgentCatalog.names.contains(model) else {
                throw ValidationError("--model \(model): an agent learns by playing; expected: weir play --agent \(model)")
            }
            guard suffixes.contains(where: model.hasSuffix) || model.contains("/" as Character) else {
                let names = NamedModels.all.map(\.name).joined(separator: ", ")
                throw ValidationError("--model must be \(names), or a file .pb, .pbtxt or .meta or the folder of a saved model, found '\(model)'")
            }
            guard loss != nil else { throw ValidationError("--model \(model) needs --loss, the name of its loss") }
        }
        let taken = named?.options ?? ModelOptions.optionsOfFiles
        if let option = given.first(where: { !taken.contains($0) }) {
            let takers = NamedModels.all.filter { $0.options.contains(option) }.map(\.name)
            throw ValidationError(
                "--\(option) is for \(takers.isEmpty ? "a model in a file" : "--model \(takers.joined(separator: " or "))"); found --model \(model)")
        }
        _ = try (hiddenUnits(default: []), pairs(inputs, "--input"), pairs(metrics, "--metric"))
    }

    /// The network that `--model` names; nil if it names a file.
    var named: (any NamedModel)? { NamedModels.named(model) }

    /// What training takes where the user does not say.
    var defaults: TrainingDefaults { (named ?? DenseModel()).defaults }

    /// The model for a table's rows.
    func graph(for table: Table, seed: Int) throws -> ModelGraph { try graph(for: TrainingRows(table), seed: seed) }

    /// The model for some rows.
    /// - Throws: `ValidationError` when the options do not fit the rows; the errors of `ModelGraph`.
    func graph(for rows: TrainingRows, seed: Int) throws -> ModelGraph {
        if let named { return try named.graph(for: rows, self, seed: seed) }
        return try ModelGraph(
            contentsOf: model, loss: loss ?? "", inputs: pairs(inputs, "--input"), predictions: predictions, metrics: pairs(metrics, "--metric"))
    }

    private static let optionsOfFiles = ["loss", "input", "predictions", "metric"]

    /// Whether an option says anything of the network.
    var isGiven: Bool { model != "dnn" || !given.isEmpty }

    /// The options that were given, without dashes.
    private var given: [String] {
        [
            ("hidden", hidden != nil), ("prompt", prompt != nil), ("temperature", temperature != nil), ("sample-length", sampleLength != nil),
            ("code", code != nil), ("noise", noise != nil), ("loss", loss != nil), ("input", !inputs.isEmpty), ("predictions", predictions != nil),
            ("metric", !metrics.isEmpty),
        ].filter(\.1).map(\.0)
    }

    /// The numbers of units of `--hidden`.
    func hiddenUnits(default units: [Int]) throws -> [Int] {
        guard let hidden else { return units }
        return try hidden.split(separator: ",", omittingEmptySubsequences: false).map { field in
            guard let units = Int(field), (1...1_000_000).contains(units) else {
                throw ValidationError("--hidden must be numbers of units such as 10,20,10; found '\(field)' in '\(hidden)'")
            }
            return units
        }
    }

    /// The number of units of `--code`.
    func codeUnits(default units: Int) -> Int { code ?? units }

    private func pairs(_ pairs: [String], _ option: String) throws -> [String: String] {
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
