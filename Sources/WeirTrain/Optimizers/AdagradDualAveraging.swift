public import WeirGraph
import WeirOps

/// Adagrad with dual averaging: the variable is computed from the sums of all gradients and of their squares, not from its last value,
/// so that with L1 regularization it becomes exactly 0. TensorFlow's `AdagradDAOptimizer`. Duchi, Hazan and Singer, *Adaptive
/// Subgradient Methods for Online Learning and Stochastic Optimization*, 2011.
///
/// It needs the global step. The initial value of a variable has no influence after the first update.
public struct AdagradDualAveraging: Optimizer {
    /// `AdagradDA`.
    public let name = "AdagradDA"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The initial value of the sum of squared gradients, above 0.
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
    /// The sum of gradients and the sum of squared gradients.
    public var slots: [OptimizerSlot] { [OptimizerSlot("AdagradDA", 0), OptimizerSlot("AdagradDA_1", initialAccumulator)] }
    /// The sums are divided by the number of updates.
    public var usesStepNumber: Bool { true }

    /// Adds `ResourceApplyAdagradDA`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyAdagradDA", update.slots.map(\.handle) + [gradient] + parameters(update))
    }

    /// Adds `ResourceSparseApplyAdagradDA`.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply("ResourceSparseApplyAdagradDA", update.slots.map(\.handle) + [rows, indices] + parameters(update))
    }

    private func parameters(_ update: VariableUpdate) -> [Output] {
        let builder = update.builder
        // The number of this update. Without a global step an error is recorded.
        let number = update.step.number.map { $0 + 1 } ?? builder.scalar(1, .int64)
        return [update.rate, update.number(l1), update.number(l2), number]
    }
}

extension AdagradDualAveraging {
    /// `adagrad-da` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "adagrad-da",
        [.number("accumulator") { $0.initialAccumulator = $1 }, .number("l1") { $0.l1 = $1 }, .number("l2") { $0.l2 = $1 }]
            as [NamedParameter<AdagradDualAveraging>]
    ) { AdagradDualAveraging(learningRate: $0) }
}
