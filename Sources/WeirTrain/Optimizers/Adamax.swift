public import WeirGraph
import WeirOps

/// Adamax divides by the decaying maximum of the gradients' magnitudes, where Adam has a root mean square. Kingma and Ba, *Adam: A
/// Method for Stochastic Optimization*, 2015, section 7.
///
/// A sparse gradient updates all rows and lets all slots decay, as in Keras.
public struct Adamax: Optimizer {
    /// `AdaMax`.
    public let name = "AdaMax"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The decay rate of the average of gradients.
    public var beta1: Double
    /// The decay rate of the maximum.
    public var beta2: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// Makes an Adamax optimizer.
    public init(learningRate: LearningRate = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }
    /// The average of gradients and the maximum.
    public var slots: [OptimizerSlot] { [OptimizerSlot("AdaMax", 0), OptimizerSlot("AdaMax_1", 0)] }
    /// The power of `beta1` for the bias correction.
    public var scalars: [(name: String, initial: Double)] { [("beta1_power", beta1)] }

    /// Adds `ResourceApplyAdaMax`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply(
            "ResourceApplyAdaMax",
            update.slots.map(\.handle) + [
                update.scalar(0), update.rate, update.number(beta1), update.number(beta2), update.number(epsilon), gradient,
            ])
    }

    /// Multiplies the power by `beta1`.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] {
        scalars.map { $0.assign($0.read() * beta1) }
    }
}

extension Adamax {
    /// `adamax` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "adamax", [.number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }, .number("epsilon") { $0.epsilon = $1 }] as [NamedParameter<Adamax>]
    ) { Adamax(learningRate: $0) }
}
