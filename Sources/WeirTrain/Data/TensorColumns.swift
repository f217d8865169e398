import WeirTensor

/// Rows in memory: a tensor for each column, with the rows as first dimension.
struct TensorColumns: RowSource {
    let columns: [DatasetColumn]
    let rowCount: Int
    private let tensors: [String: Tensor]

    /// - Throws: `invalidArgument` when there is no tensor, one has no rows, has other elements than numbers, Booleans and strings, or
    ///   has another number of rows.
    init(_ tensors: [String: Tensor], classes: [String: [String]]) throws(Status) {
        var columns: [DatasetColumn] = []
        var rowCount: (count: Int, name: String)?
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            guard tensor.rank > 0 else { throw .invalidArgument("Column '\(name)': expected rows as first dimension, found a scalar") }
            guard tensor.dtype != .resource, tensor.dtype != .variant else {
                throw .invalidArgument("Column '\(name)': expected numbers, Booleans or strings, found \(tensor.dtype)")
            }
            if let rowCount, tensor.dimension(0) != rowCount.count {
                throw .invalidArgument("Column '\(name)': expected \(rowCount.count) rows, as column '\(rowCount.name)' has, found \(tensor.dimension(0))")
            }
            rowCount = rowCount ?? (tensor.dimension(0), name)
            columns.append(DatasetColumn(name, tensor.dtype, tensor.shape.dropFirst(), classes: classes[name]))
        }
        guard let rowCount else { throw .invalidArgument("A dataset needs at least one column, found none") }
        for (name, names) in classes.sorted(by: { $0.key < $1.key }) {
            guard let tensor = tensors[name], tensor.rank == 1, tensor.dtype.isInteger, tensor.dtype != .uint64 else {
                throw .invalidArgument(
                    "Column '\(name)': expected class numbers, a vector of integers, found \(tensors[name].map { "\($0.dtype) \($0.shape)" } ?? "none")")
            }
            if let wrong = try tensor.integers().first(where: { !names.indices.contains($0) }) {
                throw .invalidArgument("Column '\(name)': expected class numbers from 0 to \(names.count - 1), found \(wrong)")
            }
        }
        self.columns = columns
        self.rowCount = rowCount.count
        self.tensors = tensors
    }

    var isInMemory: Bool { true }
    func known(_ column: String) -> Tensor? { tensors[column] }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        var rows: [String: Tensor] = [:]
        for (name, tensor) in tensors { rows[name] = try tensor.gathered(numbers) }
        return rows
    }
}

extension Tensor {
    /// The rows of these numbers, which must exist, along the first dimension.
    /// - Throws: `resourceExhausted` when the memory is not available.
    func gathered(_ numbers: [Int]) throws(Status) -> Tensor {
        let gathered = try Tensor(dtype, shape.replacing(0, with: numbers.count).validated())
        let rowCount = shape.count(1...)
        if rowCount == 0 || numbers.isEmpty { return gathered }
        if dtype.isBitwise {
            let byteCount = rowCount * dtype.byteCount
            for (position, number) in numbers.enumerated() {
                let target = UnsafeMutableRawBufferPointer(rebasing: gathered.mutableBytes[position * byteCount..<(position + 1) * byteCount])
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[number * byteCount..<(number + 1) * byteCount]))
            }
        } else {
            for (position, number) in numbers.enumerated() { gathered.row(position).copyElements(from: row(number)) }
        }
        return gathered
    }
}
