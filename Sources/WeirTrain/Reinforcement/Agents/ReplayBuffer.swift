public import WeirTensor

/// The last rows of experience, of which random batches are learned from, each row several times: Lin, *Self-Improving Reactive Agents
/// Based on Reinforcement Learning, Planning and Teaching*, 1992.
///
/// A ring: when it is full, a new row replaces the oldest.
public struct ReplayBuffer: Sendable {
    /// How many rows there is room for.
    public let capacity: Int
    /// How many rows there are.
    public private(set) var count = 0
    /// Where the next row goes.
    private var next = 0
    /// The rows of each column, as bytes.
    private var columns: [Column] = []
    private var generator: SplitMix

    private struct Column {
        var dtype: DType
        var rowShape: Shape
        var rowByteCount: Int
        var bytes: [UInt8]
    }

    /// Makes an empty buffer.
    /// - Parameters:
    ///   - capacity: at least 1.
    ///   - seed: of the batches.
    public init(capacity: Int, seed: Int) {
        self.capacity = max(1, capacity)
        generator = SplitMix(seed: UInt64(bitPattern: Int64(seed)))
    }

    /// Adds the rows of tensors, one tensor for each column. The first rows say what later ones must be like. Of more rows than there is
    /// room for the last are kept.
    /// - Throws: `invalidArgument` when the tensors have different numbers of rows, or are not like those before.
    public mutating func insert(_ rows: [Tensor]) throws(Status) {
        guard let first = rows.first, rows.allSatisfy({ $0.rank > 0 && $0.shape[0] == first.shape[0] && $0.dtype.isBitwise }) else {
            throw .invalidArgument("A replay buffer takes tensors of numbers with equal numbers of rows, found \(ReplayBuffer.text(rows))")
        }
        if columns.isEmpty {
            columns = rows.map { tensor in
                let shape = tensor.shape.dropFirst(), size = shape.elementCount * tensor.dtype.byteCount
                return Column(dtype: tensor.dtype, rowShape: shape, rowByteCount: size, bytes: [])
            }
        }
        guard rows.count == columns.count, zip(rows, columns).allSatisfy({ $0.dtype == $1.dtype && $0.shape.dropFirst() == $1.rowShape }) else {
            let expected = columns.map { "\($0.dtype) of \($0.rowShape)" }.joined(separator: ", ")
            throw .invalidArgument("A replay buffer with rows of \(expected) takes more of these, found \(ReplayBuffer.text(rows))")
        }
        for row in max(0, first.shape[0] - capacity)..<first.shape[0] {
            for index in columns.indices {
                let size = columns[index].rowByteCount
                let bytes = rows[index].bytes[row * size..<(row + 1) * size]
                // The memory grows with the rows until the ring is full.
                if count < capacity {
                    columns[index].bytes += bytes
                } else {
                    columns[index].bytes.replaceSubrange(next * size..<(next + 1) * size, with: bytes)
                }
            }
            next = (next + 1) % capacity
            count = min(count + 1, capacity)
        }
    }

    /// Draws rows at random, each from all rows that are there.
    /// - Returns: one tensor for each column.
    /// - Throws: `failedPrecondition` when there are no rows.
    public mutating func sample(_ batchSize: Int) throws(Status) -> [Tensor] {
        guard count > 0 else { throw .failedPrecondition("The replay buffer has no rows to draw from") }
        let chosen = (0..<max(1, batchSize)).map { _ in Int.random(in: 0..<count, using: &generator) }
        var batch: [Tensor] = []
        for column in columns {
            let tensor = try Tensor(column.dtype, Shape([chosen.count] + column.rowShape.dimensions))
            let target = tensor.mutableBytes
            column.bytes.withUnsafeBytes { source in
                let size = column.rowByteCount
                for (row, number) in chosen.enumerated() {
                    UnsafeMutableRawBufferPointer(rebasing: target[row * size..<(row + 1) * size])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[number * size..<(number + 1) * size]))
                }
            }
            batch.append(tensor)
        }
        return batch
    }

    private static func text(_ rows: [Tensor]) -> String { rows.map { "\($0.dtype) of \($0.shape)" }.joined(separator: ", ") }
}
