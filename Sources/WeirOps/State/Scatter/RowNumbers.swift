import WeirKernels
import WeirTensor

/// Which rows of a tensor an op reads or writes, in order, each checked to be there.
struct RowNumbers {
    /// Row numbers; −1 for one that is left out.
    private(set) var rows: [Int]
    /// Elements in a row.
    let width: Int

    /// Rows along the first dimension.
    /// - Throws: `invalidArgument` naming the first index that is none of `count` rows.
    init(_ indices: Tensor, count: Int, width: Int) throws {
        rows = try indices.integers("indices")
        self.width = width
        for (position, row) in rows.enumerated() where row < 0 || row >= count {
            throw Status.invalidArgument(
                "indices\(RowNumbers.place(position, in: indices.shape)) = \(row) is not in [0, \(count))")
        }
    }

    /// Rows along the dimension after the first `batch` ones, of which indices and tensor have one each.
    init(_ indices: Tensor, in shape: Shape, batch: Int) throws {
        rows = try indices.integers("indices")
        width = shape.width(after: batch + 1)
        let count = shape[batch]
        let perBatch = max(1, indices.shape.width(after: batch))
        for (position, row) in rows.enumerated() {
            guard row >= 0, row < count else {
                throw Status.invalidArgument(
                    "indices\(RowNumbers.place(position, in: indices.shape)) = \(row) is not in [0, \(count))")
            }
            if batch > 0 { rows[position] = row + position / perBatch * count }
        }
    }

    /// Slices that several indices together point at: the last dimension of `indices` goes along the first ones of the
    /// tensor.
    ///
    /// - Parameters:
    ///   - depth: how many dimensions one index goes along; at most the rank of `shape`.
    ///   - skipsBad: whether indices that point nowhere are left out instead of being an error.
    ///   - bad: the error for the slice at this place with these indices.
    init(
        slices indices: Tensor, depth: Int, in shape: Shape, skipsBad: Bool = false,
        bad: (_ place: String, _ index: [Int]) -> Status
    ) throws {
        let numbers = try indices.integers("indices")
        width = shape.width(after: depth)
        let sizes = Array(shape.dimensions.prefix(depth))
        // Without a depth there is no number to count; the caller knows that the count is one that fits in memory.
        let count = depth == 0 ? indices.shape.count(0..<max(0, indices.rank - 1)) : numbers.count / depth
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
            if row < 0, !skipsBad {
                let outer = Shape(indices.shape.dimensions.prefix(max(0, indices.rank - 1)))
                throw bad(
                    RowNumbers.place(position, in: outer), Array(numbers[position * depth..<(position + 1) * depth]))
            }
            rows[position] = row
        }
    }

    /// Where in a tensor an element is, as TensorFlow writes it: `[1,0]`.
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
    /// How many elements belong to one index of the first `axis` dimensions; 0 where there are none at all, for then
    /// the other dimensions may be anything.
    func width(after axis: Int) -> Int { elementCount == 0 ? 0 : count(axis...) }
}
