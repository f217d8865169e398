public import WeirGraph
import WeirOps

/// Adam with Nesterov momentum, whose coefficient grows with the steps: `μ_t = beta1 · (1 − 0.96^t / 2)`. Dozat, *Incorporating
/// Nesterov Momentum into Adam*, 2016. Keras's `Nadam`.
///
/// A sparse gradient updates all rows and lets all slots decay, as in Keras.
public struct Nadam: Optimizer {
    /// `Nadam`.
    public let name = "Nadam"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The limit of the decay rate of the average of gradients.
    public var beta1: Double
    /// The decay rate of the average of squared gradients.
    public var beta2: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    private static let base = 0.96
    /// Makes a Nadam optimizer.
    public init(learningRate: LearningRate = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }
    /// The averages of gradients and of squared gradients.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Nadam", 0), OptimizerSlot("Nadam_1", 0)] }
    /// `0.96^t`, the product of all coefficients up to `μ_t`, and `beta2^t`.
    public var scalars: [(name: String, initial: Double)] {
        [("decay_power", Nadam.base), ("momentum_product", beta1 * (1 - 0.5 * Nadam.base)), ("beta2_power", beta2)]
    }

    /// What depends on the number of updates only.
    private struct Factors {
        /// Factors of the average of gradients and of the gradient.
        let mean, gradient: Output
        /// The factor of the average of squared gradients.
        let square: Output
    }

    private func coefficient(_ power: Output) -> Output { (1 - power * 0.5) * beta1 }

    private func factors(_ scalars: [Variable]) -> Factors {
        let (power, product, square) = (scalars[0].value, scalars[1].value, scalars[2].value)
        let (own, next) = (coefficient(power), coefficient(power * Nadam.base))
        let (past, future) = (1 - product, 1 - product * next)
        return Factors(mean: next / future, gradient: (1 - own) / past, square: (1 - square).reciprocal())
    }

    /// Builds the updates. The factors that depend on the number of updates are computed once.
    public func updates(_ all: [VariableUpdate]) -> [Operation] {
        guard let first = all.first else { return [] }
        let shared = first.colocated { factors(first.scalars) }
        return all.map { one in one.colocated { update(one, gradient: one.denseGradient, shared) } }
    }

    /// Builds the update of one variable from TensorFlow's elementwise operations.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation { self.update(update, gradient: gradient, factors(update.scalars)) }

    private func update(_ update: VariableUpdate, gradient: Output, _ factors: Factors) -> Operation {
        func cast(_ factor: Output) -> Output { factor.dtype == update.variable.dtype ? factor : factor.cast(to: update.variable.dtype) }
        let (m, v) = (update.current(update.slots[0]), update.current(update.slots[1]))
        let (ownMean, ownSquare) = (1 - beta1, 1 - beta2)
        let mean = m + (gradient - m) * ownMean
        let square = v + (gradient.square() - v) * ownSquare
        let direction = mean * cast(factors.mean) + gradient * cast(factors.gradient)
        let root = (square * cast(factors.square)).sqrt()
        let step = direction / (root + epsilon)
        return update.builder.group(
            [
                update.slots[0].assign(mean), update.slots[1].assign(square),
                update.apply("ResourceApplyGradientDescent", [update.rate, step]),
            ], name: "Nadam")
    }

    /// Advances the scalars to the next update.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] {
        let power = scalars[0].read() * Nadam.base
        return [
            scalars[0].assign(power), scalars[1].assign(scalars[1].read() * coefficient(power)), scalars[2].assign(scalars[2].read() * beta2),
        ]
    }
}

extension Nadam {
    /// `nadam` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "nadam", [.number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }, .number("epsilon") { $0.epsilon = $1 }] as [NamedParameter<Nadam>]
    ) { Nadam(learningRate: $0) }
}
