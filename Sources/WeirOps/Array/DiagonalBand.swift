import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A band of diagonals of matrices, and its compact layout as rows. The MatrixDiag ops share it.
///
/// Diagonal 0 is the main diagonal; superdiagonals are positive. Each diagonal is one row, and the uppermost diagonal is the
/// first row. All rows are as long as the longest diagonal. A shorter diagonal is aligned at the left or right end of its row.
struct DiagonalBand {
    let lower: Int
    let upper: Int
    let rows: Int
    let columns: Int
    let alignment: Alignment

    /// The ends of the rows at which shorter diagonals are aligned.
    struct Alignment: Sendable {
        var superdiagonalsLeft = true
        var subdiagonalsLeft = true

        /// Reads the attribute `align`. Ops without it align all diagonals left.
        /// - Throws: `invalidArgument` if the attribute has an unknown value.
        init(_ attributes: Attributes) throws {
            guard let text = attributes.string("align") else { return }
            guard ["LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"].contains(text) else {
                throw Status.invalidArgument("Invalid align attribute: \(text)")
            }
            superdiagonalsLeft = text.hasPrefix("LEFT")
            subdiagonalsLeft = text.hasSuffix("LEFT")
        }
    }

    var count: Int { upper - lower + 1 }
    /// The length of the longest diagonal.
    var length: Int { max(0, min(rows + min(upper, 0), columns - max(lower, 0))) }

    /// Reads the lower and the upper diagonal from the input `k`.
    /// - Throws: `invalidArgument` unless it is a scalar or a vector of one or two elements.
    static func range(_ tensor: Tensor) throws -> (lower: Int, upper: Int) {
        guard tensor.rank <= 1 else {
            throw Status.invalidArgument("diag_index must be a scalar or vector, received shape: \(tensor.shape)")
        }
        let numbers = try tensor.integers("diag_index")
        guard !numbers.isEmpty else {
            throw Status.invalidArgument("Expected diag_index to have at least 1 element")
        }
        guard numbers.count == 1 || numbers.count == 2 else {
            throw Status.invalidArgument(
                "diag_index must have only one or two elements, received \(numbers.count) elements.")
        }
        return (numbers[0], numbers[numbers.count - 1])
    }

    /// Checks that the band lies within the matrix.
    /// - Parameter stop: the text after the lower index in TensorFlow's message.
    /// - Throws: `invalidArgument` if it does not, or if `lower` is larger than `upper`.
    func check(stop: String = ".") throws {
        guard (lower > -rows && lower < columns) || lower == 0 else {
            throw Status.invalidArgument(
                "lower_diag_index is out of bound: \(lower)\(stop) It must be between \(-rows) and \(columns)")
        }
        guard (upper > -rows && upper < columns) || upper == 0 else {
            throw Status.invalidArgument(
                "upper_diag_index is out of bound: \(upper) It must be between \(-rows) and \(columns)")
        }
        guard lower <= upper else {
            throw Status.invalidArgument(
                "lower_diag_index must not be larger than upper_diag_index: \(lower) > \(upper)")
        }
    }

    /// Calls `body` for each diagonal that has elements, with its length, its offset in a matrix and its offset in the rows.
    func forEach(_ body: (_ length: Int, _ matrix: Int, _ row: Int) -> Void) {
        let (first, last) = (max(lower, 1 - rows), min(upper, columns - 1))
        guard first <= last else { return }
        for diagonal in first...last {
            let (down, right) = (max(0, -diagonal), max(0, diagonal))
            let own = min(rows - down, columns - right)
            let isLeft =
                (diagonal >= 0 && alignment.superdiagonalsLeft) || (diagonal <= 0 && alignment.subdiagonalsLeft)
            body(
                own, down * columns + right, (upper - diagonal) * length + (isLeft ? 0 : length - own))
        }
    }

    /// Copies the band of `batch` matrices to rows.
    func copyToRows(_ matrices: Tensor, _ rows: Tensor, batch: Int, _ pool: ComputePool) {
        forEach { own, matrix, row in
            StridedCopy([batch, own], from: [self.rows * columns, columns + 1], to: [count * length, 1])
                .run(from: matrices, skipping: matrix, to: rows, at: row, in: pool)
        }
    }
    /// Copies rows to the band of `batch` matrices.
    func copyToMatrices(_ rows: Tensor, _ matrices: Tensor, batch: Int, _ pool: ComputePool) {
        forEach { own, matrix, row in
            StridedCopy([batch, own], from: [count * length, 1], to: [self.rows * columns, columns + 1])
                .run(from: rows, skipping: row, to: matrices, at: matrix, in: pool)
        }
    }
}

extension ShapeContext {
    /// Returns the band that input `index` holds, or nil if the input is not constant. An op without such an input uses the main
    /// diagonal.
    /// - Throws: `invalidArgument` if the input has a wrong shape, or its first element is larger than its second.
    func diagonalRange(_ index: Int?) throws -> (lower: Int, upper: Int)? {
        guard let index else { return (0, 0) }
        if let rank = input(index).rank, rank > 1 {
            throw Status.invalidArgument("Shape must be at most rank 1 but is rank \(rank)")
        }
        guard let tensor = constant(index) else { return nil }
        guard tensor.elementCount == 1 || tensor.elementCount == 2 else {
            throw Status.invalidArgument(
                "diag_index must be a vector with one or two elements. It has \(tensor.elementCount) elements.")
        }
        let range = try DiagonalBand.range(tensor)
        guard range.lower <= range.upper else {
            throw Status.invalidArgument("lower_diag_index is greater than upper_diag_index")
        }
        return range
    }
}
