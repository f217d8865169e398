import WeirDevice
import WeirKernels
import WeirTensor

/// A gradient from a worker: dense, or some rows.
enum Gradient: Sendable {
    case dense(Tensor)
    /// `shape` is the shape of the dense gradient, if the worker sent it.
    case sparse(indices: Tensor, values: Tensor, shape: Tensor?)
}

/// A sum of gradients.
enum GradientSum: Sendable {
    case none
    case dense(Tensor)
    case sparse(SparseGradientSum)

    /// Adds a gradient. The first one is shared, not copied. Later ones are added in place if nothing else refers to the
    /// sum's memory.
    mutating func add(_ gradient: Gradient, _ pool: ComputePool) throws {
        switch gradient {
        case .dense(let tensor):
            guard var total = takeDense() else { return self = .dense(tensor) }
            defer { self = .dense(total) }
            let sum = total.isUniquelyReferenced() ? total : try Tensor(total.dtype, total.shape)
            try GradientArithmetic.add(total, tensor, into: sum, pool)
            total = sum
        case .sparse(let indices, let values, _):
            guard var sum = takeSparse() else { return self = .sparse(try SparseGradientSum(indices, values)) }
            defer { self = .sparse(sum) }
            try sum.add(indices, values, pool)
        }
    }

    // Moves the tensor out of `self`, so that the caller's variable is the only reference to its memory.
    private mutating func takeDense() -> Tensor? {
        guard case .dense(let tensor) = self else { return nil }
        self = .none
        return tensor
    }
    private mutating func takeSparse() -> SparseGradientSum? {
        guard case .sparse(let sum) = self else { return nil }
        self = .none
        return sum
    }

    /// Returns the output tensors: the dense gradient, or the indices, the values and the dense shape.
    ///
    /// - Parameters:
    ///   - count: the number of gradients, the divisor of the mean. A sparse row is divided by the number of gradients that
    ///     had it.
    ///   - rows: the number of rows of the dense gradient, if it is known.
    func result(mean: Bool, count: Int, rows: Int?, _ pool: ComputePool) throws -> [Tensor] {
        switch self {
        case .none: throw Status.internalError("An accumulator without gradients was asked for one")
        case .dense(let tensor):
            guard mean, count > 1 else { return [tensor] }
            let output = try Tensor(tensor.dtype, tensor.shape)
            try GradientArithmetic.divide(tensor, by: count, into: output, pool)
            return [output]
        case .sparse(let sum): return try sum.result(mean: mean, rows: rows, pool)
        }
    }
}

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
