public import WeirGraph

/// Adagrad takes smaller steps where gradients were large: `a += g²; v -= rate · g / √a`. Duchi, Hazan and Singer, *Adaptive
/// Subgradient Methods for Online Learning and Stochastic Optimization*, 2011.
public struct Adagrad: Optimizer {
    /// `Adagrad`.
    public let name = "Adagrad"
    /// The learning rate.
    public var learningRate: Double
    /// The initial value of the accumulator `a`.
    public var initialAccumulator: Double
    /// Makes an Adagrad optimizer.
    public init(learningRate: Double, initialAccumulator: Double = 0.1) {
        self.learningRate = learningRate
        self.initialAccumulator = initialAccumulator
    }
    /// The accumulator of squared gradients.
    public var slots: [(name: String, initial: Double)] { [("Adagrad", initialAccumulator)] }

    /// Adds `ResourceApplyAdagrad`.
    public func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            return builder.add(
                "ResourceApplyAdagrad", [variable.handle, slots[0].handle, builder.scalar(learningRate, variable.dtype), gradient],
                attributes: ["T": .type(variable.dtype), "use_locking": true])
        }
    }

    /// Adds `ResourceSparseApplyAdagrad`.
    public func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            return builder.add(
                "ResourceSparseApplyAdagrad",
                [variable.handle, slots[0].handle, builder.scalar(learningRate, variable.dtype), rows, indices],
                attributes: ["T": .type(variable.dtype), "use_locking": true])
        }
    }
}
