import WeirDevice
import WeirKernels
import WeirTensor

/// A sum of rows, by row index.
struct SparseGradientSum: Sendable {
    private var indices: [Int64]
    /// For each row, the number of gradients that had it.
    private var counts: [Int]
    private(set) var values: Tensor

    init(_ indices: Tensor, _ values: Tensor) throws {
        self.indices = try indices.array(of: Int64.self)
        counts = [Int](repeating: 1, count: self.indices.count)
        self.values = values
    }

    /// Merges two lists of rows in ascending order of their indices. If a list is not sorted, no row is lost, but an index
    /// may occur twice.
    mutating func add(_ indices: Tensor, _ values: Tensor, _ pool: ComputePool) throws {
        let others = try indices.array(of: Int64.self)
        if others == self.indices, self.values.isUniquelyReferenced() {
            try GradientArithmetic.add(self.values, values, into: self.values, pool)
            for position in counts.indices { counts[position] += 1 }
            return
        }
        var merged: [(mine: Int?, theirs: Int?)] = []
        merged.reserveCapacity(self.indices.count + others.count)
        var (mine, theirs) = (0, 0)
        while mine < self.indices.count || theirs < others.count {
            let a = mine < self.indices.count ? self.indices[mine] : nil
            let b = theirs < others.count ? others[theirs] : nil
            let takesMine = a != nil && (b == nil || a! <= b!)
            let takesTheirs = b != nil && (a == nil || b! <= a!)
            merged.append((takesMine ? mine : nil, takesTheirs ? theirs : nil))
            if takesMine { mine += 1 }
            if takesTheirs { theirs += 1 }
        }
        let sum = try Tensor(
            values.dtype, Shape(validating: [merged.count] + values.shape.dimensions.dropFirst()))
        try GradientArithmetic.merge(self.values, values, merged, into: sum)
        self.counts = merged.map { row in (row.mine.map { counts[$0] } ?? 0) + (row.theirs == nil ? 0 : 1) }
        self.indices = merged.map { row in row.mine.map { self.indices[$0] } ?? others[row.theirs ?? 0] }
        self.values = sum
    }

    func result(mean: Bool, rows: Int?, _ pool: ComputePool) throws -> [Tensor] {
        var output = values
        if mean, counts.contains(where: { $0 > 1 }) {
            output = try Tensor(values.dtype, values.shape)
            try GradientArithmetic.divideRows(values, by: counts, into: output)
        }
        let shape = [Int64(rows ?? -1)] + values.shape.dimensions.dropFirst().map { Int64($0) }
        return [Tensor(indices), output, Tensor(shape)]
    }
}
