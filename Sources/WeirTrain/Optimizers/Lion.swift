public import WeirGraph
import WeirOps

/// Lion takes steps of one size, in the direction of the sign of an average of the gradient and the momentum. Chen et al., *Symbolic
/// Discovery of Optimization Algorithms*, 2023. Keras's `Lion`; its weight decay is `Lion(…).decayed(0.01)`.
///
/// A sparse gradient updates all rows: the sign of the momentum is not zero where the gradient is.
public struct Lion: Optimizer {
    /// `Lion`.
    public let name = "Lion"
    /// The learning rate: the size of a step. A tenth of Adam's is usual.
    public var learningRate: LearningRate
    /// The part of the momentum in the average.
    public var beta1: Double
    /// The decay rate of the momentum.
    public var beta2: Double
    /// Makes a Lion optimizer.
    public init(learningRate: LearningRate = 0.0001, beta1: Double = 0.9, beta2: Double = 0.99) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
    }
    /// The momentum.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Lion", 0)] }

    /// Builds the update from TensorFlow's elementwise operations.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        let momentum = update.current(update.slots[0])
        let (ownDirection, ownMomentum) = (1 - beta1, 1 - beta2)
        let direction = (momentum * beta1 + gradient * ownDirection).sign()
        return update.builder.group(
            [
                update.slots[0].assign(momentum * beta2 + gradient * ownMomentum),
                update.apply("ResourceApplyGradientDescent", [update.rate, direction]),
            ], name: "Lion")
    }
}

extension Lion {
    /// `lion` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "lion", [.number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }] as [NamedParameter<Lion>]
    ) { Lion(learningRate: $0) }
}
