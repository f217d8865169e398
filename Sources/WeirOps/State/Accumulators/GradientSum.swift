import WeirDevice
import WeirKernels
import WeirTensor

/// A sum of gradients.
enum GradientSum: Sendable {
    case none
    case dense(Tensor)
    case sparse(SparseGradientSum)

    /// Adds gradients in the order in which they are given. If there is one dense gradient only, it is shared, not copied.
    /// - Parameter divisor: what the elements of a dense sum are divided by.
    /// - Throws: `resourceExhausted` when the memory for a sum is not available. Then the sum is as before.
    mutating func add(_ gradients: [Gradient], dividedBy divisor: Int = 1, _ pool: ComputePool) throws {
        var dense: [Tensor] = []
        var rows: SparseGradientSum?
        if case .sparse(let sum) = self { rows = sum }
        for gradient in gradients {
            switch gradient {
            case .dense(let tensor): dense.append(tensor)
            case .sparse(let indices, let values, _):
                if rows == nil { rows = try SparseGradientSum(indices, values) } else { try rows?.add(indices, values, pool) }
            }
        }
        if let rows { return self = .sparse(rows) }
        try add(dense: dense, dividedBy: divisor, pool)
    }

    private mutating func add(dense gradients: [Tensor], dividedBy divisor: Int, _ pool: ComputePool) throws {
        var inputs = gradients
        if case .dense(let total) = self { inputs.insert(total, at: 0) }
        guard let first = inputs.first else { return }
        guard inputs.count > 1 || divisor > 1 else { return self = .dense(first) }
        let output = try Tensor(first.dtype, first.shape)
        try GradientArithmetic.sum(inputs, dividedBy: divisor, into: output, pool)
        self = .dense(output)
    }
}
