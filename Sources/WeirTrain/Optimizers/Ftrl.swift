public import WeirGraph

/// Follow the regularized leader, per coordinate: with L1 regularization most weights of a large sparse model become exactly 0.
/// McMahan et al., *Ad Click Prediction: a View from the Trenches*, 2013.
public struct Ftrl: Optimizer {
    /// `Ftrl`.
    public let name = "Ftrl"
    /// The learning rate, above 0.
    public var learningRate: LearningRate
    /// How the rate falls with the sum of squared gradients; at most 0, which is a constant rate.
    public var power: Double
    /// The initial value of the sum of squared gradients.
    public var initialAccumulator: Double
    /// The strength of L1 regularization.
    public var l1: Double
    /// The strength of L2 regularization.
    public var l2: Double
    /// The strength of the L2 penalty that is a part of the gradient: it pulls weights to 0 only where there is a gradient.
    public var l2Shrinkage: Double
    /// Makes an FTRL optimizer.
    public init(
        learningRate: LearningRate = 0.001, power: Double = -0.5, initialAccumulator: Double = 0.1, l1: Double = 0, l2: Double = 0,
        l2Shrinkage: Double = 0
    ) {
        self.learningRate = learningRate
        self.power = power
        self.initialAccumulator = initialAccumulator
        self.l1 = l1
        self.l2 = l2
        self.l2Shrinkage = l2Shrinkage
    }
    /// The sum of squared gradients, and the linear term.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Ftrl", initialAccumulator), OptimizerSlot("Ftrl_1", 0)] }

    /// Adds `ResourceApplyFtrl`, or `ResourceApplyFtrlV2` where there is shrinkage.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply(l2Shrinkage > 0 ? "ResourceApplyFtrlV2" : "ResourceApplyFtrl", update.slots.map(\.handle) + [gradient] + parameters(update))
    }

    /// Adds `ResourceSparseApplyFtrl`, or `ResourceSparseApplyFtrlV2` where there is shrinkage.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply(
            l2Shrinkage > 0 ? "ResourceSparseApplyFtrlV2" : "ResourceSparseApplyFtrl",
            update.slots.map(\.handle) + [rows, indices] + parameters(update))
    }

    private func parameters(_ update: VariableUpdate) -> [Output] {
        [update.rate, update.number(l1), update.number(l2)] + (l2Shrinkage > 0 ? [update.number(l2Shrinkage)] : []) + [update.number(power)]
    }
}

extension Ftrl {
    /// `ftrl` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "ftrl",
        [
            .number("power") { $0.power = $1 }, .number("accumulator") { $0.initialAccumulator = $1 }, .number("l1") { $0.l1 = $1 },
            .number("l2") { $0.l2 = $1 }, .number("shrinkage") { $0.l2Shrinkage = $1 },
        ] as [NamedParameter<Ftrl>]
    ) { Ftrl(learningRate: $0) }
}
