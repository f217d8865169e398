public import WeirGraph
import WeirOps
import WeirTensor

/// The gradient of a loss with respect to a variable.
public struct VariableGradient: Sendable {
    /// The variable.
    public var variable: Variable
    /// The gradient's elements.
    public var value: Value

    /// The elements of a gradient.
    public enum Value: Sendable {
        /// A number for each element of the variable.
        case dense(Output)
        /// Some rows; all others are zero. `indices` is a vector of `int32` or `int64` without duplicates, and row `i` of `rows`
        /// belongs to row `indices[i]` of the variable. TensorFlow's `IndexedSlices`.
        case sparse(indices: Output, rows: Output)
    }

    /// A gradient of a variable.
    public init(_ variable: Variable, _ value: Value) {
        self.variable = variable
        self.value = value
    }

    /// The sum of sparse gradients of one variable, whose indices may have duplicates.
    /// - Parameter parts: at least one. Indices have any shape; `rows` has the shape of the indices, then that of a row.
    static func sum(_ variable: Variable, _ parts: [(indices: Output, rows: Output)]) -> VariableGradient {
        let builder = variable.handle.builder
        let rowShape = Array(variable.shape.dimensions.dropFirst())
        let isWide = parts.contains { $0.indices.dtype != .int32 }
        let indices = builder.concatenated(
            parts.map { isWide && $0.indices.dtype == .int32 ? $0.indices.flattened().cast(to: .int64) : $0.indices.flattened() }, axis: 0)
        let rows = builder.concatenated(parts.map { $0.rows.reshaped(to: [-1] + rowShape) }, axis: 0)
        return VariableGradient(variable, VariableGradient.summingDuplicates(indices, rows))
    }

    /// The mean of gradients of one variable. It is sparse if all of them are.
    static func mean(_ variable: Variable, _ parts: [Value]) -> VariableGradient {
        let builder = variable.handle.builder
        let sparse = parts.compactMap { part -> (indices: Output, rows: Output)? in
            if case .sparse(let indices, let rows) = part { (indices, rows) } else { nil }
        }
        guard sparse.count == parts.count, sparse.count > 1 else {
            if parts.count == 1, let part = parts.first { return VariableGradient(variable, part) }
            let dense = parts.map { VariableGradient(variable, $0).dense() }
            return VariableGradient(variable, .dense(builder.colocate(with: variable.handle.operation) { builder.mean(of: dense) }))
        }
        return builder.colocate(with: variable.handle.operation) {
            let share = builder.scalar(1 / Double(parts.count), variable.dtype)
            return sum(variable, sparse.map { ($0.indices, builder.add("Mul", [$0.rows, share])[0]) })
        }
    }

    /// Adds up the rows of equal indices, as TensorFlow's optimizers do: an update must see each row once.
    static func summingDuplicates(_ indices: Output, _ rows: Output) -> Value {
        let builder = indices.builder
        let unique = builder.add("Unique", [indices])
        let sums = builder.add("UnsortedSegmentSum", [rows, unique[1], unique[0].sizeTensor()])[0]
        return .sparse(indices: unique[0], rows: sums)
    }

    /// The gradient as one tensor of the variable's shape, on the variable's device.
    func dense() -> Output {
        switch value {
        case .dense(let output): return output
        case .sparse(let indices, let rows):
            let builder = variable.handle.builder
            let count = variable.shape.rank > 0 ? variable.shape[0] : 1
            return builder.colocate(with: variable.handle.operation) {
                builder.add("UnsortedSegmentSum", [rows, indices, builder.constant(Tensor(Int64(count)))])[0]
            }
        }
    }
}
