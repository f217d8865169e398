import WeirGraph

/// Adam with decoupled weight decay: before Adam's update, `v -= rate · decay · v`. Loshchilov and Hutter, *Decoupled Weight Decay
/// Regularization*, 2019. Keras's `AdamW`.
///
/// The slots have Adam's names, so that a training can go on with the other.
public struct AdamW: OptimizerWrapper {
    /// `AdamW`.
    public let name = "AdamW"
    /// The update after the decay.
    public var adam: Adam
    /// The decay, relative to the learning rate.
    public var weightDecay: Double
    /// Makes an AdamW optimizer.
    public init(
        learningRate: LearningRate = 0.001, weightDecay: Double = 0.004, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        amsgrad: Bool = false
    ) {
        adam = Adam(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, amsgrad: amsgrad)
        self.weightDecay = weightDecay
    }
    /// Adam with a decay of all variables.
    public var base: any Optimizer { adam.decayed(weightDecay) }
}

extension AdamW {
    /// `adamw` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "adamw",
        [
            .number("decay") { $0.weightDecay = $1 }, .number("beta1") { $0.adam.beta1 = $1 }, .number("beta2") { $0.adam.beta2 = $1 },
            .number("epsilon") { $0.adam.epsilon = $1 }, .flag("amsgrad") { $0.adam.amsgrad = $1 },
        ] as [NamedParameter<AdamW>]
    ) { AdamW(learningRate: $0) }
}
