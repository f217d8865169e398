import WeirGraph
import WeirOps
public import WeirTensor

/// How the features of a table were changed before training: from each column its mean was subtracted, and all were divided by one
/// scale. A model that is served does the same with the rows that it gets.
public struct Standardization: Hashable, Sendable {
    /// The mean of each feature.
    public var means: [Float]
    /// The scale of all features.
    public var scale: Float

    /// Describes a change of features.
    public init(means: [Float], scale: Float) {
        self.means = means
        self.scale = scale
    }

    /// The change that `Trainer` makes of a fold's rows.
    /// - Parameter training: the rows to train on, as they were.
    public init(training: Table) {
        let moments = training.moments
        self.init(means: moments.means, scale: moments.scale)
    }

    /// The change that `Trainer` makes of data when one of `count` folds is held out; nil if it takes the values as they are.
    /// - Parameter seed: that of the training, `TrainingOptions.seed`.
    /// - Throws: the error of a file.
    public init?(_ data: TrainingData, fold number: Int, of count: Int, seed: Int) throws(Status) {
        let seed = UInt64(bitPattern: Int64(seed))
        switch data {
        case .table(let table): self.init(training: table.fold(number, of: count, seed: seed).train)
        case .standardized(let dataset):
            let moments = try dataset.fold(number, of: count, seed: seed).train.moments(of: "features")
            self.init(means: moments.means, scale: moments.scale)
        case .dataset, .divided: return nil
        }
    }

    /// The features that became these: `value · scale + mean`, of a `float32` tensor whose rows have as many elements as there are means.
    /// - Throws: `invalidArgument` when the rows have another type or size.
    public func undone(_ rows: Tensor) throws(Status) -> Tensor {
        let values = try rows.array(of: Float.self)
        guard rows.rank > 0, rows.shape.count(1...) == means.count else {
            throw .invalidArgument("Expected rows of \(means.count) features, found shape \(rows.shape)")
        }
        return try Tensor(values.enumerated().map { $1 * scale + means[$0 % means.count] }, shape: rows.shape)
    }

    /// Adds the nodes that change rows of features.
    func applied(to rows: Output) -> Output { (rows - rows.builder.constant(Tensor(means))) / Double(scale) }
}
