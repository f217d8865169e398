import WeirTensor
import WeirWire

/// What the numbers of a trained model mean: the names of the columns of its input `features`, and the names of its classes.
///
/// A SavedModel has them in `assets.extra/columns.json`, a folder that TensorFlow keeps for files of others:
/// ```
/// {"features":{"columns":["length","width"],"shape":[2]},"labels":{"column":"species","classes":["setosa","virginica"]}}
/// ```
public struct ModelColumns: Hashable, Sendable {
    /// The columns of a row, in the order in which the input `features` takes them; empty if they have no names.
    public var features: [String]
    /// The shape of a row.
    public var shape: [Int]
    /// The column of the labels; nil if it has no name.
    public var label: String?
    /// The names of the classes by number; empty if there are none.
    public var classes: [String]

    /// Names columns and classes.
    public init(features: [String] = [], shape: [Int], label: String? = nil, classes: [String] = []) {
        self.features = features
        self.shape = shape
        self.label = label
        self.classes = classes
    }

    /// The columns and classes of a table. Columns that have the same name are not named: nothing could be found by such names.
    public init(_ table: Table) {
        let names = table.columns.dropLast()
        self.init(
            features: Set(names).count == names.count ? Array(names) : [], shape: table.featureShape, label: table.columns.last, classes: table.classes)
    }

    /// What the rows of a training name; nil if they name neither columns nor classes.
    public init?(_ data: TrainingData) {
        switch data {
        case .table(let table): self.init(table)
        case .dataset(let dataset), .standardized(let dataset), .divided(let dataset, _):
            let columns = Dictionary(dataset.columns.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
            let names = columns["features"]?.elementNames ?? []
            let classes = columns["labels"]?.classes ?? []
            guard let features = columns["features"], !names.isEmpty || !classes.isEmpty else { return nil }
            self.init(
                features: Set(names).count == names.count ? names : [], shape: features.shape.dimensions,
                label: columns["targets"]?.elementNames?.first, classes: classes)
        }
    }

    /// The name of a class; its number where there is no such name.
    public func className(_ number: Int) -> String { classes.indices.contains(number) ? classes[number] : "\(number)" }
}

extension ModelColumns {
    /// Where the file is in the folder of a SavedModel.
    static let path = "assets.extra/columns.json"

    var json: JSONValue {
        func texts(_ names: [String]) -> JSONValue? { names.isEmpty ? nil : .array(names.map { .text($0) }) }
        let inputs = JSONValue(members: ["columns": texts(features), "shape": .array(shape.map { .integer($0) })])
        let labels = JSONValue(members: ["column": label.map { .text($0) }, "classes": texts(classes)])
        return JSONValue(members: ["features": inputs, "labels": label == nil && classes.isEmpty ? nil : labels])
    }

    /// Reads the file of a SavedModel's folder; nil if it has none.
    /// - Throws: `invalidArgument` with the file and the member that is not as expected.
    static func read(from folder: String) throws(Status) -> ModelColumns? {
        let file = FileSystem.join(folder, path)
        guard FileSystem.exists(file) else { return nil }
        do throws(Status) {
            return try ModelColumns(JSONValue(parsing: String(decoding: try InputFile.contents(of: file), as: UTF8.self)))
        } catch {
            throw error.message.hasPrefix(file) ? error : Status(error.code, "\(file): \(error.message)")
        }
    }

    init(_ value: JSONValue) throws(Status) {
        let whole = try JSONObjectReader(value)
        let inputs = try JSONObjectReader(try whole.required("features", expected: "an object with shape, and columns if they have names"), at: "features")
        let labels = try whole["labels"].map { value throws(Status) in try JSONObjectReader(value, at: "labels") }
        var shape: [Int] = []
        guard case .array(let sizes)? = inputs["shape"] else { throw inputs.failure("shape", expected: "a list of sizes") }
        for size in sizes {
            guard case .integer(let size) = size, size >= 0 else { throw inputs.failure("shape", expected: "a list of sizes") }
            shape.append(size)
        }
        self.init(features: try inputs.names("columns"), shape: shape, label: try labels?.text("column"), classes: try labels?.names("classes") ?? [])
        guard Set(features).count == features.count else { throw inputs.failure("columns", expected: "each name once") }
        var count = 1
        for size in shape { count = count.multipliedReportingOverflow(by: size).overflow ? .max : count * size }
        guard features.isEmpty || features.count == count else {
            throw .invalidArgument("\(inputs.path(of: "columns")): expected \(count) names, as many as a row of shape \(shape) has, found \(features.count)")
        }
    }
}

extension JSONObjectReader {
    /// A list of texts; empty when there is no such member.
    fileprivate func names(_ key: String) throws(Status) -> [String] {
        guard let value = self[key] else { return [] }
        guard case .array(let elements) = value else { throw failure(key, expected: "a list of names") }
        var names: [String] = []
        for element in elements {
            guard case .text(let name) = element else { throw failure(key, expected: "a list of names") }
            names.append(name)
        }
        return names
    }
}
