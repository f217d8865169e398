public import WeirTensor

/// The probabilities of classes that one classifier gives to rows.
public struct ClassProbabilities: Hashable, Sendable {
    /// The number of rows.
    public let rowCount: Int
    /// The number of classes.
    public let classCount: Int
    /// The probabilities, class by class for each row in turn: `rowCount` × `classCount`.
    public let values: [Double]
    /// How far the probabilities of a row may sum from 1: members may compute them with few digits.
    public static let tolerance = 1e-3

    /// Makes the value from a probability of each class for each row.
    /// - Throws: `invalidArgument` with the row when there is none, rows have different numbers of classes, a probability is not between 0
    ///   and 1, or those of a row do not sum to 1.
    public init(_ rows: [[Double]]) throws(Status) {
        guard let first = rows.first else { throw .invalidArgument("probabilities: expected at least one row, found none") }
        for (number, row) in rows.enumerated() where row.count != first.count {
            throw .invalidArgument("probabilities, row \(number): expected \(first.count) classes as in row 0, found \(row.count)")
        }
        try self.init(rows.flatMap { $0 }, rowCount: rows.count, classCount: first.count)
    }

    /// Makes the value from the output of a softmax.
    /// - Parameter tensor: `float32`, of shape [rows, classes].
    /// - Throws: `invalidArgument` when type or shape are others, or the values are not probabilities.
    public init(_ tensor: Tensor) throws(Status) {
        guard tensor.shape.rank == 2 else { throw .invalidArgument("probabilities: expected shape [rows, classes], found \(tensor.shape)") }
        try self.init(try tensor.array(of: Float.self).map(Double.init), rowCount: tensor.shape[0], classCount: tensor.shape[1])
    }

    init(_ values: [Double], rowCount: Int, classCount: Int) throws(Status) {
        guard rowCount > 0, classCount > 0 else {
            throw .invalidArgument("probabilities: expected at least one row and one class, found \(rowCount) rows of \(classCount) classes")
        }
        for row in 0..<rowCount {
            let probabilities = values[row * classCount..<(row + 1) * classCount]
            if let wrong = probabilities.first(where: { !(0...1 + ClassProbabilities.tolerance).contains($0) }) {
                throw .invalidArgument("probabilities, row \(row): expected numbers between 0 and 1, found \(wrong)")
            }
            let sum = probabilities.reduce(0, +)
            guard abs(sum - 1) <= ClassProbabilities.tolerance else {
                throw .invalidArgument("probabilities, row \(row): expected a sum of 1, found \(sum)")
            }
        }
        self.rowCount = rowCount
        self.classCount = classCount
        self.values = values
    }

    /// The probabilities of a row.
    public subscript(row: Int) -> ArraySlice<Double> { values[row * classCount..<(row + 1) * classCount] }

    /// The most probable class of each row; the first of those that are equally probable.
    public var classes: [Int] {
        (0..<rowCount).map { row in
            let probabilities = self[row]
            var best = probabilities.startIndex
            for index in probabilities.indices where probabilities[index] > probabilities[best] { best = index }
            return best - probabilities.startIndex
        }
    }

    /// Puts predictions of cross-validation together: those of each fold are by the classifier that had not seen its rows.
    /// - Parameters:
    ///   - folds: for each fold, the numbers of its rows in the whole table, and the probabilities of these rows.
    ///   - rowCount: the number of rows of the table.
    /// - Throws: `invalidArgument` when folds have different numbers of classes, or a row is not in exactly one fold.
    public init(folds: [(rows: [Int], probabilities: ClassProbabilities)], rowCount: Int) throws(Status) {
        guard let classCount = folds.first?.probabilities.classCount, rowCount > 0 else {
            throw .invalidArgument("folds: expected at least one fold and one row, found \(folds.count) folds of \(rowCount) rows")
        }
        guard folds.reduce(0, { $0 + $1.rows.count }) == rowCount else {
            throw .invalidArgument("folds: expected \(rowCount) rows in all folds, found \(folds.reduce(0) { $0 + $1.rows.count })")
        }
        var values = [Double](repeating: -1, count: rowCount * classCount)
        for (number, fold) in folds.enumerated() {
            guard fold.probabilities.classCount == classCount, fold.probabilities.rowCount == fold.rows.count else {
                throw .invalidArgument(
                    "fold \(number): expected probabilities of \(fold.rows.count) rows and \(classCount) classes, found "
                        + "\(fold.probabilities.rowCount) rows and \(fold.probabilities.classCount) classes")
            }
            for (position, row) in fold.rows.enumerated() {
                guard (0..<rowCount).contains(row) else { throw .invalidArgument("fold \(number): expected rows below \(rowCount), found \(row)") }
                guard values[row * classCount] < 0 else { throw .invalidArgument("fold \(number): expected each row in one fold, found row \(row) again") }
                values.replaceSubrange(row * classCount..<(row + 1) * classCount, with: fold.probabilities[position])
            }
        }
        try self.init(values, rowCount: rowCount, classCount: classCount)
    }
}
