import WeirKernels
import WeirTensor

/// The indices of the rows that a gather or scatter op accesses, in order and checked against the shape.
struct RowIndices {
    /// The row indices; −1 for an index that is skipped.
    private(set) var rows: [Int]
    /// The number of elements of a row.
    let width: Int

    /// Makes the row indices for rows along dimension 0.
    /// - Throws: `invalidArgument` with the first index that is not in `0..<count`.
    init(_ indices: Tensor, count: Int, width: Int) throws {
        try MemoryBudget.take(listBytes(indices.elementCount))
        rows = try indices.integers("indices")
        self.width = width
        for (position, row) in rows.enumerated() where row < 0 || row >= count {
            throw Status.invalidArgument(
                "indices\(RowIndices.place(position, in: indices.shape)) = \(row) is not in [0, \(count))")
        }
    }

    /// Makes the row indices for rows along dimension `batch`. The first `batch` dimensions of indices and tensor are
    /// equal.
    init(_ indices: Tensor, in shape: Shape, batch: Int) throws {
        try MemoryBudget.take(listBytes(indices.elementCount))
        rows = try indices.integers("indices")
        width = shape.width(after: batch + 1)
        let count = shape[batch]
        let perBatch = max(1, indices.shape.width(after: batch))
        for (position, row) in rows.enumerated() {
            guard row >= 0, row < count else {
                throw Status.invalidArgument(
                    "indices\(RowIndices.place(position, in: indices.shape)) = \(row) is not in [0, \(count))")
            }
            if batch > 0 { rows[position] = row + position / perBatch * count }
        }
    }

    /// Makes the indices of slices that are selected by index vectors: the last dimension of `indices` indexes the first
    /// dimensions of the tensor.
    ///
    /// - Parameters:
    ///   - depth: the length of an index vector; at most the rank of `shape`.
    ///   - skipsOutOfRange: whether an index out of range is skipped. Otherwise it is an error.
    ///   - bad: makes the error for the index vector `index` at `place`.
    init(
        slices indices: Tensor, depth: Int, in shape: Shape, skipsOutOfRange: Bool = false,
        bad: (_ place: String, _ index: [Int]) -> Status
    ) throws {
        try MemoryBudget.take(listBytes(indices.elementCount))
        let numbers = try indices.integers("indices")
        width = shape.width(after: depth)
        let sizes = Array(shape.dimensions.prefix(depth))
        // If the depth is 0, the count comes from the shape. The caller has checked that so many slices fit in memory.
        let count = depth == 0 ? indices.shape.count(0..<max(0, indices.rank - 1)) : numbers.count / depth
        try MemoryBudget.take(listBytes(count))
        rows = [Int](repeating: 0, count: count)
        for position in 0..<count {
            var row = 0
            for axis in 0..<depth {
                let index = numbers[position * depth + axis]
                guard index >= 0, index < sizes[axis] else {
                    row = -1
                    break
                }
                row = row * sizes[axis] + index
            }
            if row < 0, !skipsOutOfRange {
                let outer = Shape(indices.shape.dimensions.prefix(max(0, indices.rank - 1)))
                throw bad(
                    RowIndices.place(position, in: outer), Array(numbers[position * depth..<(position + 1) * depth]))
            }
            rows[position] = row
        }
    }

    /// Returns the position of an element as a coordinate in TensorFlow's notation: `[1,0]`.
    static func place(_ position: Int, in shape: Shape) -> String {
        if shape.rank == 0 { return "" }
        if shape.rank == 1 { return "[\(position)]" }
        var rest = position
        var place: [Int] = []
        for size in shape.dimensions.reversed() {
            place.append(size == 0 ? 0 : rest % size)
            rest = size == 0 ? 0 : rest / size
        }
        return "[" + place.reversed().map(String.init).joined(separator: ",") + "]"
    }
}

extension Shape {
    /// Returns the number of elements for each index of the first `axis` dimensions. It is 0 for an empty tensor, whose
    /// other dimensions may be so large that their product is meaningless.
    func width(after axis: Int) -> Int { elementCount == 0 ? 0 : count(axis...) }
}
