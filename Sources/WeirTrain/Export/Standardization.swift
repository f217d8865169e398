import WeirGraph
import WeirOps
import WeirTensor

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
    public init?(_ data: TrainingData, fold number: Int, of count: Int, seed: Int) {
        guard case .table(let table) = data else { return nil }
        self.init(training: table.fold(number, of: count, seed: UInt64(bitPattern: Int64(seed))).train)
    }

    /// Adds the nodes that change rows of features.
    func applied(to rows: Output) -> Output { (rows - rows.builder.constant(Tensor(means))) / Double(scale) }
}
