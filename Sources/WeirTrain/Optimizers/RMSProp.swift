public import WeirGraph

/// RMSProp divides the gradient by a moving root mean square of gradients. Tieleman and Hinton, *Lecture 6.5*, Neural Networks
/// for Machine Learning, 2012. With `centered` it divides by the standard deviation: Graves, *Generating Sequences With Recurrent Neural
/// Networks*, 2013.
public struct RMSProp: Optimizer {
    /// `RMSProp`.
    public let name = "RMSProp"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The decay rate of the moving average.
    public var decay: Double
    /// The momentum coefficient; 0 for none.
    public var momentum: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// Whether the square of the gradients' mean is subtracted below the root.
    public var centered: Bool
    /// Makes an RMSProp optimizer.
    public init(
        learningRate: LearningRate = 0.001, decay: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-10, centered: Bool = false
    ) {
        self.learningRate = learningRate
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
    }
    /// The moving mean square, with `centered` the moving mean, and the momentum accumulator.
    public var slots: [OptimizerSlot] {
        [OptimizerSlot("RMSProp", 1), OptimizerSlot("RMSProp_1", 0)] + (centered ? [OptimizerSlot("RMSProp_2", 0)] : [])
    }

    /// Adds `ResourceApplyRMSProp`, or `ResourceApplyCenteredRMSProp`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply(centered ? "ResourceApplyCenteredRMSProp" : "ResourceApplyRMSProp", handles(update) + parameters(update) + [gradient])
    }

    /// Adds `ResourceSparseApplyRMSProp`, or `ResourceSparseApplyCenteredRMSProp`, which leave the other rows of all slots as they are.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply(
            centered ? "ResourceSparseApplyCenteredRMSProp" : "ResourceSparseApplyRMSProp",
            handles(update) + parameters(update) + [rows, indices])
    }

    /// The slots in the order of the operations: a mean comes before the mean square.
    private func handles(_ update: VariableUpdate) -> [Output] {
        let slots = update.slots.map(\.handle)
        return centered ? [slots[1], slots[0], slots[2]] : slots
    }
    private func parameters(_ update: VariableUpdate) -> [Output] {
        [update.rate, update.number(decay), update.number(momentum), update.number(epsilon)]
    }
}

extension RMSProp {
    /// `rmsprop` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "rmsprop",
        [
            .number("rho") { $0.decay = $1 }, .number("momentum") { $0.momentum = $1 }, .number("epsilon") { $0.epsilon = $1 },
            .flag("centered") { $0.centered = $1 },
        ] as [NamedParameter<RMSProp>]
    ) { RMSProp(learningRate: $0) }
}
