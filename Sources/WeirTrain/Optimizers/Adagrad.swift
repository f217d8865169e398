public import WeirGraph

/// Adagrad takes smaller steps where gradients were large: `a += g²; v -= rate · g / √a`. Duchi, Hazan and Singer, *Adaptive
/// Subgradient Methods for Online Learning and Stochastic Optimization*, 2011.
public struct Adagrad: Optimizer {
    /// `Adagrad`.
    public let name = "Adagrad"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The initial value of the accumulator `a`.
    public var initialAccumulator: Double
    /// Makes an Adagrad optimizer.
    public init(learningRate: LearningRate, initialAccumulator: Double = 0.1) {
        self.learningRate = learningRate
        self.initialAccumulator = initialAccumulator
    }
    /// The accumulator of squared gradients.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Adagrad", initialAccumulator)] }

    /// Adds `ResourceApplyAdagrad`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyAdagrad", [update.slots[0].handle, update.rate, gradient])
    }

    /// Adds `ResourceSparseApplyAdagrad`.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply("ResourceSparseApplyAdagrad", [update.slots[0].handle, update.rate, rows, indices])
    }
}

extension Adagrad {
    /// `adagrad` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>("adagrad", [.number("accumulator") { $0.initialAccumulator = $1 }] as [NamedParameter<Adagrad>])
    { Adagrad(learningRate: $0) }
}
