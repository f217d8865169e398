import WeirTensor

/// How large variables are cut along their first axis into parts, which lie on different parameter servers. TensorFlow's
/// partitioners.
///
/// A variable with one row or no axis stays whole. If the rows cannot be divided evenly, the first parts have one row more. Part 2
/// of `table` is the variable `table/part_2`, and checkpoints have its rows under `table`: TensorFlow's names and slices.
public enum VariablePartitioning: Sendable, Hashable {
    /// Cuts each variable into this many parts, or into its rows if it has fewer. TensorFlow's `fixed_size_partitioner`.
    case parts(Int)
    /// Cuts variables so that a part has at most `maximum` bytes, or one row if a row has more. TensorFlow's
    /// `variable_axis_size_partitioner`.
    case bytes(maximum: Int)

    /// Checks the number.
    /// - Throws: `invalidArgument` when it is less than 1.
    func validate() throws(Status) {
        switch self {
        case .parts(let count) where count < 1: throw .invalidArgument("Variables must be cut into at least 1 part, found \(count)")
        case .bytes(let maximum) where maximum < 1: throw .invalidArgument("A part of a variable must have at least 1 byte, found \(maximum)")
        default: return
        }
    }

    /// The rows of each part of a variable.
    func rows(of variable: ModelVariable) -> [Range<Int>] {
        let count = variable.shape.rank > 0 ? variable.shape[0] : 1
        guard count > 1 else { return [0..<count] }
        let parts: Int
        switch self {
        case .parts(let asked): parts = min(max(1, asked), count)
        case .bytes(let maximum):
            let (size, isTooLarge) = variable.shape.count(1...).multipliedReportingOverflow(by: variable.dtype.byteCount)
            let rowsOfPart = isTooLarge ? 1 : max(1, maximum / max(1, size))
            parts = (count - 1) / min(rowsOfPart, count) + 1
        }
        let (size, larger) = count.quotientAndRemainder(dividingBy: parts)
        return (0..<parts).map { part in
            let first = part * size + min(part, larger)
            return first..<first + size + (part < larger ? 1 : 0)
        }
    }
}
