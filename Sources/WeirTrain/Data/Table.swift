public import WeirTensor

/// A table of numeric features with a class label for each row, in memory: a dataset of the columns `features` and `labels` that knows
/// its classes, and is standardized for training. It is read from CSV text, or made from a dataset.
public struct Table: Sendable {
    /// The names of all columns, the label's included.
    public internal(set) var columns: [String]
    /// The label of each class, in order of first appearance.
    public internal(set) var classes: [String]
    /// The features of all rows, one row after another.
    package private(set) var values: [Float]
    /// The class of each row, an index into `classes`.
    public internal(set) var labels: [Int32]

    /// The number of rows.
    public var rowCount: Int { labels.count }
    /// The number of features in a row.
    public var featureCount: Int { columns.count - 1 }
    /// The features of each row.
    /// - Complexity: O(rows × features): each use makes a copy.
    public var features: [[Float]] { (0..<rowCount).map { Array(values[$0 * featureCount..<($0 + 1) * featureCount]) } }

    /// The shape of a row of features: a vector, or an image's height, width and channels. It has `featureCount` elements.
    public internal(set) var featureShape: [Int]

    /// A table of these columns. `values` has `columns.count - 1` numbers for each label.
    init(columns: [String], classes: [String], values: [Float], labels: [Int32], featureShape: [Int]? = nil) {
        precondition(values.count == labels.count * (columns.count - 1), "a table has the same number of features in each row")
        self.columns = columns
        self.classes = classes
        self.values = values
        self.labels = labels
        self.featureShape = featureShape ?? [columns.count - 1]
    }

    /// The table with only these rows, which must exist, in this order.
    package func rows(_ indices: some Collection<Int>) -> Table {
        var values: [Float] = []
        values.reserveCapacity(indices.count * featureCount)
        for row in indices { values += self.values[row * featureCount..<(row + 1) * featureCount] }
        return Table(columns: columns, classes: classes, values: values, labels: indices.map { labels[$0] }, featureShape: featureShape)
    }

    /// Splits the rows into `count` folds and returns fold `number` as test rows and the others as training rows.
    ///
    /// With one fold, all rows are test rows. Each row is in one fold. The folds are stratified: each has its share of each
    /// class, drawn by seed.
    public func fold(_ number: Int, of count: Int, seed: UInt64) -> (train: Table, test: Table) {
        let parts = Folds.divide(labels.map(Int.init), number, of: count, seed: seed)
        return (rows(parts.train), rows(parts.test))
    }

    /// The mean of each column, and one scale for all columns. With one scale, columns that vary more keep more weight.
    package var moments: (means: [Float], scale: Float) {
        var means = [Float](repeating: 0, count: featureCount)
        forEachValue { column, value in means[column] += value / Float(rowCount) }
        var square: Float = 0
        forEachValue { column, value in square += (value - means[column]) * (value - means[column]) / Float(rowCount * featureCount) }
        return (means, max(square.squareRoot(), 1e-6))
    }

    private func forEachValue(_ body: (_ column: Int, _ value: Float) -> Void) {
        var column = 0
        for value in values {
            body(column, value)
            column = column + 1 == featureCount ? 0 : column + 1
        }
    }

    /// The table with means subtracted and values divided by the scale; `moments` are those of a table with as many columns. Use the moments of the training rows for test rows too.
    package func standardized(_ moments: (means: [Float], scale: Float)) -> Table {
        var copy = self
        var position = 0
        forEachValue { column, value in
            copy.values[position] = (value - moments.means[column]) / moments.scale
            position += 1
        }
        return copy
    }

    /// The table with the column means of `training` subtracted, and divided by the one scale of `training`. Test rows are
    /// standardized like the training rows, because a model must not learn anything from them.
    /// - Throws: `invalidArgument` when `training` has another number of features.
    public func standardized(like training: Table) throws(Status) -> Table {
        guard training.featureCount == featureCount else {
            throw .invalidArgument("standardized: expected a table of \(featureCount) features, found \(training.featureCount)")
        }
        return standardized(training.moments)
    }

    /// The features as a `float32` tensor of shape `[rows, features]`.
    public var featureTensor: Tensor { Tensor(values, ofShape: Shape(rowCount, featureCount)) }
    /// The classes as an `int32` tensor of shape `[rows]`.
    public var labelTensor: Tensor { Tensor(labels) }
}

/// The SplitMix64 random number generator. A seed gives the same numbers on every machine.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64
    /// Makes a generator.
    package init(seed: UInt64) { state = seed }
    /// Returns the next 64 random bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
