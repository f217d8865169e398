public import WeirTensor

extension Dataset {
    /// The rows of a table: `features`, of type `float32`, and `labels`, of type `int32`.
    public init(_ table: Table) {
        let shape = Shape([table.rowCount] + table.featureShape)
        self.init(checked: TableRows(features: Tensor(table.values, ofShape: shape), labels: table.labelTensor, classes: table.classes))
    }
}

extension Table {
    /// The labels as numbers; nil if one of them is none.
    package var targets: [Float]? {
        let numbers = classes.compactMap { Float($0) }.filter(\.isFinite)
        return numbers.count == classes.count ? labels.map { numbers[Int($0)] } : nil
    }

    /// Whether the labels are real numbers, which are to be predicted as such, and not names of classes that happen to be numbers: some have a
    /// fraction, and there are many of them.
    package var hasRealLabels: Bool {
        let numbers = classes.compactMap { Double($0) }.filter(\.isFinite)
        return numbers.count == classes.count && classes.count > min(20, rowCount / 2) && numbers.contains { $0 != $0.rounded() }
    }
}

extension Dataset {
    /// The rows of a table whose labels are numbers to predict: `features` and `targets`, of type `float32`.
    /// - Throws: `invalidArgument` when a label is no number.
    public init(targetsOf table: Table) throws(Status) {
        guard let targets = table.targets else {
            let found = table.classes.first { Float($0)?.isFinite != true } ?? ""
            throw .invalidArgument("Column '\(table.columns.last ?? "")': expected numbers to predict, found '\(found)'")
        }
        let shape = Shape([table.rowCount] + table.featureShape)
        self.init(checked: TargetRows(features: Tensor(table.values, ofShape: shape), targets: Tensor(targets), names: table.columns))
    }
}

/// The rows of a table whose labels are numbers.
private struct TargetRows: RowSource {
    let columns: [DatasetColumn]
    private let features: Tensor
    private let targets: Tensor

    init(features: Tensor, targets: Tensor, names: [String]) {
        self.features = features
        self.targets = targets
        columns = [
            DatasetColumn("features", .float32, features.shape.dropFirst(), elementNames: Array(names.dropLast())),
            DatasetColumn("targets", .float32, elementNames: names.last.map { [$0] }),
        ]
    }

    var rowCount: Int { targets.elementCount }
    var isInMemory: Bool { true }
    func known(_ column: String) -> Tensor? { column == "features" ? features : column == "targets" ? targets : nil }
    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        ["features": try features.gathered(numbers), "targets": try targets.gathered(numbers)]
    }
}

/// The rows of a table, whose columns need no check.
private struct TableRows: RowSource {
    let columns: [DatasetColumn]
    private let features: Tensor
    private let labels: Tensor

    init(features: Tensor, labels: Tensor, classes: [String]) {
        self.features = features
        self.labels = labels
        columns = [
            DatasetColumn("features", .float32, features.shape.dropFirst()), DatasetColumn("labels", .int32, classes: classes),
        ]
    }

    var rowCount: Int { labels.elementCount }
    var isInMemory: Bool { true }
    func known(_ column: String) -> Tensor? { column == "features" ? features : column == "labels" ? labels : nil }
    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        ["features": try features.gathered(numbers), "labels": try labels.gathered(numbers)]
    }
}

extension Table {
    /// Makes a table of a dataset's rows, which are read into memory.
    /// - Parameters:
    ///   - features: the column of features, of numbers of any type.
    ///   - labels: the column of class numbers.
    /// - Throws: `invalidArgument` when there is no such column, or the labels are not numbers from 0 on; the error of a file.
    public init(_ dataset: Dataset, features: String = "features", labels: String = "labels") throws(Status) {
        let (column, classes) = (try dataset.columns.numeric(features), try dataset.columns.numeric(labels))
        guard classes.shape.elementCount == 1, classes.dtype.isInteger, classes.dtype != .uint64 else {
            throw .invalidArgument("Column '\(labels)': expected a class number for each row, found \(classes.dtype) of shape \(classes.shape)")
        }
        guard column.shape.elementCount > 0 else { throw .invalidArgument("Column '\(features)': expected at least one feature, found shape \(column.shape)") }
        let rows = try RenamedColumns(dataset.source, [(features, "features"), (labels, "labels")]).rows(Array(0..<dataset.rowCount))
        guard let values = rows["features"], let numbers = try rows["labels"]?.integers(labels) else {
            throw .internalError("a source returned rows without its columns")
        }
        // No network has more classes than that.
        if let wrong = numbers.first(where: { !(0..<1 << 24).contains($0) }) {
            throw .invalidArgument("Column '\(labels)': expected class numbers from 0 on, found \(wrong)")
        }
        let count = column.shape.elementCount
        let numeric = try values.converted(to: .float32, features).array(of: Float.self)
        if let wrong = numeric.firstIndex(where: { !$0.isFinite }) {
            throw .invalidArgument("Column '\(features)', row \(wrong / count + 1): expected finite numbers, found \(numeric[wrong])")
        }
        let names = classes.classes ?? (0...(numbers.max() ?? 0)).map { "\($0)" }
        self.init(
            columns: (count == 1 ? [features] : (0..<count).map { "\(features)[\($0)]" }) + [labels], classes: names,
            values: numeric, labels: numbers.map { Int32(clamping: $0) },
            featureShape: column.shape.rank == 0 ? [1] : column.shape.dimensions)
    }
}
