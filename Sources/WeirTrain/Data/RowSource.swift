public import WeirTensor

/// Rows that can be read by their numbers, in any order: what a `Dataset` is made of. A format of your own conforms to it.
///
/// Every row has the same columns. Because a row is known by its number, the order of a training follows from a seed alone: rows are
/// shuffled and divided without reading them, and a training goes on in the middle of them without reading those before.
public protocol RowSource: Sendable {
    /// What each row has.
    var columns: [DatasetColumn] { get }
    /// The number of rows.
    var rowCount: Int { get }
    /// Whether rows are in memory, so that `rows` takes no longer than to copy them. Other sources are read by threads of their own.
    var isInMemory: Bool { get }
    /// Reads the rows of these numbers, in this order: a tensor for each column, with the rows as first dimension. Called by several
    /// threads at once; it may block.
    /// - Parameter numbers: numbers from 0 to `rowCount - 1`; one may occur more than once.
    /// - Throws: what is wrong, and where: the file, the place in it, what was expected and what was found.
    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor]
    /// All values of a column if they are known without reading the rows, such as the classes of pictures in folders; otherwise nil.
    func known(_ column: String) -> Tensor?
}

extension RowSource {
    /// Nothing is known without reading.
    public func known(_ column: String) -> Tensor? { nil }
}

/// A source that checks what another one returns.
struct CheckedRows: RowSource {
    private let source: any RowSource
    init(_ source: any RowSource) { self.source = source }

    var columns: [DatasetColumn] { source.columns }
    var rowCount: Int { max(0, source.rowCount) }
    var isInMemory: Bool { source.isInMemory }

    func known(_ column: String) -> Tensor? {
        guard let values = source.known(column), let found = columns.first(where: { $0.name == column }) else { return nil }
        guard values.dtype == found.dtype, (try? found.shape(ofRows: rowCount)) == values.shape else { return nil }
        return values
    }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        let rows = try source.rows(numbers)
        for column in columns {
            let shape = try column.shape(ofRows: numbers.count)
            guard let tensor = rows[column.name], tensor.dtype == column.dtype, tensor.shape == shape else {
                let found = rows[column.name].map { "\($0.dtype) of shape \($0.shape)" } ?? "none"
                throw .invalidArgument("\(numbers.count) rows, column '\(column.name)': expected \(column.dtype) of shape \(shape), found \(found)")
            }
        }
        return rows
    }
}

/// Tensors in which rows are put one after another.
struct RowStack {
    private let columns: [DatasetColumn]
    private let tensors: [Tensor]
    private var count = 0

    /// - Throws: `resourceExhausted` when the memory is not available.
    init(_ columns: [DatasetColumn], rowCount: Int) throws(Status) {
        self.columns = columns
        var tensors: [Tensor] = []
        for column in columns { tensors.append(try Tensor.zeros(column.dtype, column.shape(ofRows: rowCount))) }
        self.tensors = tensors
    }

    /// Adds a row. There must be room for it.
    /// - Parameter place: names the row in errors.
    /// - Throws: `invalidArgument` when a column is missing, or has another type or shape.
    mutating func append(_ row: [String: Tensor], _ place: @autoclosure () -> String) throws(Status) {
        for (column, tensor) in zip(columns, tensors) {
            guard let value = row[column.name] else {
                throw .invalidArgument("\(place()): expected a column '\(column.name)', found \(row.keys.sorted().joined(separator: ", "))")
            }
            guard value.dtype == column.dtype, value.shape == column.shape else {
                throw .invalidArgument(
                    "\(place()), column '\(column.name)': expected \(column.dtype) of shape \(column.shape), found \(value.dtype) of shape \(value.shape)")
            }
            tensor.row(count).copyElements(from: value)
        }
        count += 1
    }

    /// The rows, when all are added.
    var rows: [String: Tensor] {
        Dictionary(zip(columns.map(\.name), tensors), uniquingKeysWith: { first, _ in first })
    }
}
