public import WeirGraph

/// Gradient descent, and after each step a proximal step for L1 and L2 regularization, which makes small weights exactly 0. Duchi and
/// Singer, *Efficient Online and Batch Learning Using Forward Backward Splitting*, 2009.
public struct ProximalGradientDescent: Optimizer {
    /// `ProximalGradientDescent`.
    public let name = "ProximalGradientDescent"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The strength of L1 regularization.
    public var l1: Double
    /// The strength of L2 regularization.
    public var l2: Double
    /// Makes the optimizer.
    public init(learningRate: LearningRate, l1: Double = 0, l2: Double = 0) {
        self.learningRate = learningRate
        self.l1 = l1
        self.l2 = l2
    }

    /// Adds `ResourceApplyProximalGradientDescent`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyProximalGradientDescent", [update.rate, update.number(l1), update.number(l2), gradient])
    }

    /// Adds `ResourceSparseApplyProximalGradientDescent`, which regularizes the rows that have a gradient.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply("ResourceSparseApplyProximalGradientDescent", [update.rate, update.number(l1), update.number(l2), rows, indices])
    }
}

extension ProximalGradientDescent {
    /// `proximal-sgd` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "proximal-sgd", [.number("l1") { $0.l1 = $1 }, .number("l2") { $0.l2 = $1 }] as [NamedParameter<ProximalGradientDescent>]
    ) { ProximalGradientDescent(learningRate: $0) }
}
