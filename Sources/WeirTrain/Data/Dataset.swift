public import WeirTensor

/// Rows of named tensors to train and test on: in memory, or read from files when they are needed.
///
/// ```swift
/// let flowers = try Dataset(csvFile: "iris.csv", CSVOptions(classes: ["species"]))
/// let batches = try flowers.shuffle(seed: 1).batch(32).repeated().prefetch(2)
/// for try await batch in batches { … batch["petal length"] … }
/// ```
/// A dataset is a value: each method returns another, and reads nothing that it need not. Rows are known by their numbers, so the
/// order of all epochs follows from the seed, whatever the number of threads that read; and a position in it is one number
/// (`DatasetPosition`), from which reading goes on at once.
public struct Dataset: Sendable {
    private(set) var source: any RowSource
    /// The order in which batches take rows; nil means by number.
    var order: RowOrder?
    /// How batches are read ahead; nil leaves it to the source.
    var prefetching: Prefetching?

    /// How many batches are read ahead, and by how many threads.
    struct Prefetching: Hashable, Sendable {
        var depth: Int
        var threads: Int
    }

    /// A dataset of the rows of a source. What the source returns is checked against its columns.
    public init(_ source: some RowSource) { self.source = CheckedRows(source) }
    /// A dataset of the rows of a source whose rows are as its columns say.
    init(checked source: any RowSource) { self.source = source }

    /// A dataset in memory.
    /// - Parameters:
    ///   - tensors: a tensor for each column, with the rows as first dimension.
    ///   - classes: for columns of class numbers, the names of the classes.
    /// - Throws: `invalidArgument` when there is no tensor, or their numbers of rows differ.
    public init(_ tensors: [String: Tensor], classes: [String: [String]] = [:]) throws(Status) {
        self.init(checked: try TensorColumns(tensors, classes: classes))
    }

    /// What each row has, by name.
    public var columns: [DatasetColumn] { source.columns }
    /// The number of rows.
    public var rowCount: Int { source.rowCount }
    /// Whether all rows are in memory. Others are read by threads of their own when batches are made.
    public var isInMemory: Bool { source.isInMemory }

    /// The column of this name.
    /// - Throws: `invalidArgument` when there is none.
    public func column(_ name: String) throws(Status) -> DatasetColumn { try columns.named(name) }

    /// Reads the rows of these numbers, in this order: a tensor for each column, with the rows as first dimension. It may block, so call
    /// it outside of asynchronous code, or for a dataset in memory.
    /// - Throws: `outOfRange` when there is no such row; the error of a file.
    public func rows(_ numbers: some Sequence<Int>) throws(Status) -> [String: Tensor] {
        let numbers = Array(numbers)
        if let wrong = numbers.first(where: { !(0..<rowCount).contains($0) }) {
            throw .outOfRange("Expected numbers of rows from 0 to \(rowCount - 1), found \(wrong)")
        }
        return try source.rows(numbers)
    }

    /// Reads all rows into memory. It may block.
    /// - Throws: the error of a file; `resourceExhausted` when the memory is not available.
    public func loaded() throws(Status) -> Dataset {
        if source is TensorColumns { return self }
        var copy = self
        let classes = columns.compactMap { column in column.classes.map { (column.name, $0) } }
        copy.source = try TensorColumns(source.rows(Array(0..<rowCount)), classes: Dictionary(classes, uniquingKeysWith: { first, _ in first }))
        return copy
    }

    /// All values of a column; reads all rows unless they are known. It may block.
    package func values(of name: String) throws(Status) -> Tensor {
        if let known = source.known(name) { return known }
        _ = try columns.named(name)
        let only = try RenamedColumns(source, [(name, name)])
        guard let values = try only.rows(Array(0..<rowCount))[name] else { throw .internalError("a source returned rows without its column '\(name)'") }
        return values
    }

    func replacing(_ source: any RowSource) -> Dataset {
        var copy = self
        copy.source = source
        return copy
    }
}

extension Dataset: CustomStringConvertible {
    /// The number of rows and the columns.
    public var description: String { "\(rowCount) rows of \(columns.map(\.description).joined(separator: ", "))" }
}
