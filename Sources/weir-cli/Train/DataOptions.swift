import ArgumentParser
import Weir

/// The options that name the rows to train and test on.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "\(BuiltInRows.names); FILE.csv, .npz, .safetensors or .tfrecord; FILE.txt, a text; a folder of MNIST's files, or with a folder of pictures for each class.",
            discussion: "Columns are features and labels. Default: the model's.", valueName: "DATA"))
    var data: String?
    @Option(help: ArgumentHelp("CSV: the column with the classes (default: the last).", valueName: "COLUMN")) var label: String?
    @Flag(help: "CSV: all columns are features, for a model that takes no labels.") var noLabel = false
    @Flag(help: "CSV: predict the numbers of the label's column, also if they are whole or few.") var regression = false
    @Flag(help: "CSV: take the label's column for classes, also if it has many real numbers.") var classification = false
    @Option(help: ArgumentHelp("npz, safetensors, tfrecord: names of columns, such as features=x,labels=y.", valueName: "LIST")) var columns: String?
    @Option(help: ArgumentHelp("Pictures: resize them, such as 64x48 (default: the size of the first).", valueName: "HxW")) var imageSize: String?
    @Option(parsing: .unconditional, help: "Text: characters of a row (default: \(Dataset.usualWindow)).") var window: Int?
    @Option(parsing: .unconditional, help: "Parts that the rows are cut into; each is held out in turn, to test on. MNIST's files are cut already.")
    var folds = 5

    func validate() throws {
        guard !noLabel || label == nil else { throw ValidationError("--label and --no-label exclude each other") }
        guard !regression || !classification else { throw ValidationError("--regression and --classification exclude each other") }
        guard !noLabel || !regression && !classification else {
            throw ValidationError("--regression and --classification say what labels are; found --no-label")
        }
        try require("--folds", folds, in: 2...1_000)
        try require("--window", window, in: 1...65_536)
        _ = try size()
        _ = try names()
    }

    /// What decides which rows these are.
    func source(_ defaults: TrainingDefaults) -> [String?] {
        [data ?? defaults.data, label, columns, imageSize, "\(regression) \(classification) \(noLabel) \(window ?? 0)"]
    }

    /// The rows.
    /// - Throws: `ValidationError` for options that the data does not take; the error of a file.
    func rows(_ defaults: TrainingDefaults) throws -> TrainingRows {
        let path = data ?? defaults.data
        do { return try rows(at: path) } catch {
            let status = Status(error)
            guard status.code == .invalidArgument, status.message.hasPrefix("Column ") else { throw status }
            throw Status(status.code, "\(path): \(status.message)")
        }
    }

    private func rows(at path: String) throws -> TrainingRows {
        if let known = BuiltInRows.named(path) {
            try refuse(
                [
                    ("--label", label != nil), ("--no-label", noLabel), ("--regression", regression), ("--classification", classification),
                    ("--columns", columns != nil), ("--image-size", imageSize != nil),
                    ("--window", window != nil && !known.isText),
                ], of: path)
            return try known.rows(window ?? Dataset.usualWindow)
        }
        let format = DataFormat(path: path)
        try refuse(
            [
                ("--label", label != nil && format != .csv), ("--no-label", noLabel && format != .csv),
                ("--regression", regression && format != .csv), ("--classification", classification && format != .csv),
                ("--image-size", imageSize != nil && format != .imageFolder),
                ("--columns", columns != nil && ![.numpy, .safetensors, .records].contains(format)),
                ("--window", window != nil && format != .text),
            ], of: format.rawValue)
        switch format {
        case .csv:
            guard !path.hasSuffix(".npy") else {
                throw Status.invalidArgument("\(path): expected a .npz archive, which has arrays of features and labels by name, found one .npy array")
            }
            if !noLabel {
                let table = try Table(csvFile: path, label: label)
                return regression || !classification && table.hasRealLabels ? try TrainingRows(targetsOf: table) : TrainingRows(table)
            }
            let dataset = try Dataset(csvFile: path)
            return try TrainingRows(inMemory: dataset.joined(dataset.columns.map(\.name), as: "features"))
        case .numpy: return try TrainingRows(inMemory: named(Dataset(numpyFile: path)))
        case .safetensors: return try TrainingRows(inMemory: named(Dataset(safetensorsFile: path)))
        case .text: return try TrainingRows(text: Dataset(textFile: path, window: window ?? Dataset.usualWindow))
        case .records:
            let dataset = try named(Dataset(recordFiles: [path]))
            return try TrainingRows(.dataset(dataset), like: dataset)
        case .idxFolder:
            let (train, test) = try Dataset.idxFolder(path)
            let scaled = try (DataOptions.scaled(train), DataOptions.scaled(test))
            return try TrainingRows(.divided(train: scaled.0, test: scaled.1), like: scaled.0)
        case .imageFolder:
            let dataset = try DataOptions.scaled(Dataset(imageFolder: path, size: size()))
            return try TrainingRows(.dataset(dataset), like: dataset)
        }
    }

    /// The rows as a table, for what takes only tables.
    func table(_ defaults: TrainingDefaults) throws -> Table {
        switch try rows(defaults).data {
        case .table(let table): return table
        case .standardized(let dataset) where dataset.columns.contains { $0.name == "targets" }:
            throw ValidationError("--data \(data ?? ""): expected classes, found numbers to predict; --classification takes each for a class")
        case .dataset(let dataset), .standardized(let dataset): return try Table(dataset)
        case .divided:
            throw ValidationError(
                "--data \(data ?? ""): expected rows that are not divided, of which each member gets a part; found \(DataFormat.idxFolder.rawValue)")
        }
    }

    /// Pixels from 0 to 255 become numbers from -1 to 1.
    private static func scaled(_ pictures: Dataset) throws(Status) -> Dataset { try pictures.rescaled("features", scale: 1 / 127.5, offset: -1) }

    /// The dataset with the names of `--columns`.
    private func named(_ dataset: Dataset) throws -> Dataset {
        guard let names = try names() else { return dataset }
        return try dataset.keeping(Array(names.keys)).renamed(names)
    }

    /// The new names of columns, by the old ones; nil if none are given.
    private func names() throws -> [String: String]? {
        guard let columns else { return nil }
        var names: [String: String] = [:]
        for pair in columns.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, names.updateValue(parts[0], forKey: parts[1]) == nil else {
                throw ValidationError("--columns must be NAME=COLUMN, such as features=x,labels=y, each column once; found '\(columns)'")
            }
        }
        return names
    }

    private func size() throws -> (height: Int, width: Int)? {
        guard let imageSize else { return nil }
        let parts = imageSize.split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
        guard parts.count == 2, imageSize.count(where: { $0 == "x" }) == 1, parts.allSatisfy({ (1...65_536).contains($0) }) else {
            throw ValidationError("--image-size must be HEIGHTxWIDTH, such as 64x48, found '\(imageSize)'")
        }
        return (parts[0], parts[1])
    }

    private func refuse(_ options: [(name: String, isGiven: Bool)], of what: String) throws {
        guard let wrong = options.first(where: \.isGiven) else { return }
        let kinds = [
            "--label": "a CSV file", "--no-label": "a CSV file", "--regression": "a CSV file",
            "--classification": "a CSV file", "--columns": "FILE.npz, .safetensors or .tfrecord",
            "--image-size": "a folder of pictures",
            "--window": "a text",
        ]
        throw ValidationError("\(wrong.name) is for --data that is \(kinds[wrong.name] ?? ""); found \(what)")
    }
}
