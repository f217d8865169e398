import WeirGraph
public import WeirTensor

/// A network of an ensemble, and how it is trained.
public struct EnsembleMember: Sendable {
    /// The name, for reports.
    public var name: String
    /// The network: a classifier with an input `features`, and predictions that are logits of the classes.
    public var model: ModelGraph
    /// The optimizer.
    public var optimizer: any Optimizer
    /// The number of updates of its variables.
    public var stepCount: Int
    /// The number of rows for one gradient.
    public var batchSize: Int

    /// Describes a member.
    public init(
        _ name: String, _ model: ModelGraph, optimizer: any Optimizer = Momentum(learningRate: 0.01), stepCount: Int = 200, batchSize: Int = 32
    ) {
        self.name = name
        self.model = model
        self.optimizer = optimizer
        self.stepCount = stepCount
        self.batchSize = batchSize
    }

    /// Describes a member whose network is written in Swift.
    /// - Throws: the errors of `ModelGraph.init`.
    public init(
        _ name: String, _ model: some Model, optimizer: any Optimizer = Momentum(learningRate: 0.01), stepCount: Int = 200, batchSize: Int = 32
    ) throws(Status) {
        self.init(name, try ModelGraph(model), optimizer: optimizer, stepCount: stepCount, batchSize: batchSize)
    }
}

/// A way to combine the predictions of an ensemble's members.
public enum EnsembleMethod: String, Sendable, CaseIterable {
    /// The mean of the members' probabilities.
    case average
    /// The class that most members give.
    case vote
    /// A logistic regression on the members' probabilities, fitted to rows on which no member was trained.
    case stacking
}
