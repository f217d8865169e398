public import WeirGraph
import WeirOps

/// Adam uses moving averages of the gradient and its square, corrected for their initial value of zero. Kingma and Ba, *Adam:
/// A Method for Stochastic Optimization*, 2015.
///
/// A sparse gradient updates all rows and lets all slots decay, as in TensorFlow.
public struct Adam: Optimizer {
    /// `Adam`.
    public let name = "Adam"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The decay rate of the average of gradients.
    public var beta1: Double
    /// The decay rate of the average of squared gradients.
    public var beta2: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// Whether the largest average of squared gradients so far is used in place of the last: AMSGrad. Reddi, Kale and Kumar, *On the
    /// Convergence of Adam and Beyond*, 2018.
    public var amsgrad: Bool
    /// Makes an Adam optimizer.
    public init(
        learningRate: LearningRate = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, amsgrad: Bool = false
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
    }
    /// The averages of gradients and of squared gradients, and with `amsgrad` the largest of the latter.
    public var slots: [OptimizerSlot] {
        [OptimizerSlot("Adam", 0), OptimizerSlot("Adam_1", 0)] + (amsgrad ? [OptimizerSlot("Adam_2", 0)] : [])
    }
    /// The powers of `beta1` and `beta2` for the bias correction.
    public var scalars: [(name: String, initial: Double)] { [("beta1_power", beta1), ("beta2_power", beta2)] }

    /// Adds `ResourceApplyAdam`, or `ResourceApplyAdamWithAmsgrad`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply(
            amsgrad ? "ResourceApplyAdamWithAmsgrad" : "ResourceApplyAdam",
            update.slots.map(\.handle) + [
                update.scalar(0), update.scalar(1), update.rate, update.number(beta1), update.number(beta2), update.number(epsilon), gradient,
            ])
    }

    /// Multiplies the powers by `beta1` and `beta2`.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] {
        zip(scalars, [beta1, beta2]).map { power, beta in
            power.assign(builder.add("Mul", [power.read(), builder.scalar(beta, power.dtype)])[0])
        }
    }
}

extension Adam {
    /// `adam` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "adam",
        [.number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }, .number("epsilon") { $0.epsilon = $1 }, .flag("amsgrad") { $0.amsgrad = $1 }]
            as [NamedParameter<Adam>]
    ) { Adam(learningRate: $0) }
    /// `amsgrad` in texts.
    static let namedAMSGrad = NamedValue<LearningRate, any Optimizer>(
        "amsgrad", [.number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }, .number("epsilon") { $0.epsilon = $1 }] as [NamedParameter<Adam>]
    ) { Adam(learningRate: $0, amsgrad: true) }
}
