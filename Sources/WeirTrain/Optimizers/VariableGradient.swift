public import WeirGraph
import WeirOps
import WeirTensor

/// The gradient of a loss with respect to a variable.
public struct VariableGradient: Sendable {
    /// The variable.
    public var variable: Variable
    /// The gradient's elements.
    public var value: Value
    /// The name of the larger variable that the variable is a part of; the variable's own name if it is not a part.
    public var wholeName: String

    /// The elements of a gradient.
    public enum Value: Sendable {
        /// A number for each element of the variable.
        case dense(Output)
        /// Some rows; all others are zero. `indices` is a vector of `int32` or `int64` without duplicates, and row `i` of `rows`
        /// belongs to row `indices[i]` of the variable. TensorFlow's `IndexedSlices`.
        case sparse(indices: Output, rows: Output)
    }

    /// A gradient of a variable.
    /// - Parameter whole: the name of the larger variable that the variable is a part of; nil takes it from the variable's slice.
    public init(_ variable: Variable, _ value: Value, partOf whole: String? = nil) {
        self.variable = variable
        self.value = value
        wholeName = whole ?? variable.slice?.fullName ?? variable.name
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

    /// The mean of gradients of one variable, each of which is on a device. It is sparse if all of them are.
    ///
    /// The sum is a balanced binary tree: ((0 + 1) + (2 + 3)) + …. So the mean of 2^k gradients has the same bits as the mean of the
    /// means of equal consecutive parts of them, wherever each part is. A sum is computed where its first gradient is.
    /// - Parameter parts: at least one.
    static func mean(_ variable: Variable, _ parts: [(value: Value, device: String)]) -> VariableGradient {
        let sum = treeSum(variable, parts[...])
        guard parts.count > 1 else { return VariableGradient(variable, sum.value) }
        return variable.handle.builder.device(sum.device) { VariableGradient(variable, sum.value).scaled(by: 1 / Double(parts.count)) }
    }

    private static func treeSum(_ variable: Variable, _ parts: ArraySlice<(value: Value, device: String)>) -> (value: Value, device: String) {
        guard let first = parts.first else { return (.dense(variable.value), "") }
        guard parts.count > 1 else { return first }
        let half = parts.startIndex + parts.count / 2
        let left = treeSum(variable, parts[..<half]).value, right = treeSum(variable, parts[half...]).value
        let sum = variable.handle.builder.device(first.device) {
            switch (left, right) {
            case (.sparse(let indices, let rows), .sparse(let otherIndices, let otherRows)):
                self.sum(variable, [(indices, rows), (otherIndices, otherRows)]).value
            default: Value.dense(VariableGradient(variable, left).dense() + VariableGradient(variable, right).dense())
            }
        }
        return (sum, first.device)
    }

    /// The gradient times a number.
    func scaled(by factor: Double) -> VariableGradient {
        let builder = variable.handle.builder
        func scaled(_ output: Output) -> Output { builder.add("Mul", [output, builder.scalar(factor, variable.dtype)])[0] }
        return switch value {
        case .dense(let output): VariableGradient(variable, .dense(scaled(output)))
        case .sparse(let indices, let rows): VariableGradient(variable, .sparse(indices: indices, rows: scaled(rows)))
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
