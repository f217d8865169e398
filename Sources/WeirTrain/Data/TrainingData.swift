package import WeirTensor

/// The rows of a training, and how they are divided into those to train on and those to test on.
public enum TrainingData: Sendable {
    /// A table. It is divided into folds that have their share of each class; features are standardized like the training rows.
    case table(Table)
    /// A dataset. It is divided into folds, and its values are taken as they are.
    case dataset(Dataset)
    /// A dataset whose column `features` is standardized like the training rows; otherwise as `dataset`. It needs no classes.
    case standardized(Dataset)
    /// Rows that are divided already. There are no folds.
    case divided(train: Dataset, test: Dataset)

    /// The number of all rows.
    public var rowCount: Int {
        switch self {
        case .table(let table): table.rowCount
        case .dataset(let dataset), .standardized(let dataset): dataset.rowCount
        case .divided(let train, let test): train.rowCount + test.rowCount
        }
    }

    /// Whether the rows are divided already, so that there are no folds.
    public var isDivided: Bool { if case .divided = self { true } else { false } }

    /// The number of rows to train on when one of `count` folds is held out: that of the fold that leaves the fewest, the first.
    package func trainingRowCount(of count: Int) -> Int {
        if case .divided(let train, _) = self { return train.rowCount }
        let (size, rest) = rowCount.quotientAndRemainder(dividingBy: max(1, count))
        return rowCount - size - (rest > 0 ? 1 : 0)
    }

    /// The rows to train on and to test on when one of `count` folds is held out.
    package func fold(_ number: Int, of count: Int, seed: UInt64) throws(Status) -> (train: Dataset, test: Dataset) {
        switch self {
        case .table(let table):
            let parts = table.fold(number, of: count, seed: seed)
            let moments = parts.train.moments
            return (Dataset(parts.train.standardized(moments)), Dataset(parts.test.standardized(moments)))
        case .dataset(let dataset): return try dataset.fold(number, of: count, seed: seed)
        case .standardized(let dataset):
            let parts = try dataset.fold(number, of: count, seed: seed)
            let moments = try parts.train.moments(of: "features")
            return (try parts.train.standardized("features", by: moments), try parts.test.standardized("features", by: moments))
        case .divided(let train, let test): return (train, test)
        }
    }
}
