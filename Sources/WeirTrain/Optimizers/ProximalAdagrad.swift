public import WeirGraph

/// Adagrad, and after each step a proximal step for L1 and L2 regularization, which makes small weights exactly 0. Duchi and Singer,
/// *Efficient Online and Batch Learning Using Forward Backward Splitting*, 2009.
public struct ProximalAdagrad: Optimizer {
    /// `ProximalAdagrad`.
    public let name = "ProximalAdagrad"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The initial value of the sum of squared gradients.
    public var initialAccumulator: Double
    /// The strength of L1 regularization.
    public var l1: Double
    /// The strength of L2 regularization.
    public var l2: Double
    /// Makes the optimizer.
    public init(learningRate: LearningRate, initialAccumulator: Double = 0.1, l1: Double = 0, l2: Double = 0) {
        self.learningRate = learningRate
        self.initialAccumulator = initialAccumulator
        self.l1 = l1
        self.l2 = l2
    }
    /// The sum of squared gradients.
    public var slots: [OptimizerSlot] { [OptimizerSlot("ProximalAdagrad", initialAccumulator)] }

    /// Adds `ResourceApplyProximalAdagrad`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyProximalAdagrad", [update.slots[0].handle, update.rate, update.number(l1), update.number(l2), gradient])
    }

    /// Adds `ResourceSparseApplyProximalAdagrad`, which regularizes the rows that have a gradient.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply("ResourceSparseApplyProximalAdagrad", [update.slots[0].handle, update.rate, update.number(l1), update.number(l2), rows, indices])
    }
}

extension ProximalAdagrad {
    /// `proximal-adagrad` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "proximal-adagrad",
        [.number("accumulator") { $0.initialAccumulator = $1 }, .number("l1") { $0.l1 = $1 }, .number("l2") { $0.l2 = $1 }] as [NamedParameter<ProximalAdagrad>]
    ) { ProximalAdagrad(learningRate: $0) }
}
