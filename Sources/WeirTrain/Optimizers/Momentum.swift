public import WeirGraph

/// Momentum: `m = μ·m + g; v -= rate · m`. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
/// With `nesterov`: Sutskever et al., *On the importance of initialization and momentum in deep learning*, 2013.
public struct Momentum: Optimizer {
    /// `Momentum`.
    public let name = "Momentum"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The coefficient μ.
    public var momentum: Double
    /// Whether to use Nesterov momentum.
    public var nesterov: Bool
    /// Makes a momentum optimizer.
    public init(learningRate: LearningRate, momentum: Double = 0.9, nesterov: Bool = false) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.nesterov = nesterov
    }
    /// The accumulator `m`.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Momentum", 0)] }

    /// Adds `ResourceApplyMomentum`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply(
            "ResourceApplyMomentum", [update.slots[0].handle, update.rate, gradient, update.number(momentum)],
            attributes: ["use_nesterov": .bool(nesterov)])
    }

    /// Adds `ResourceSparseApplyMomentum`, which leaves the accumulator's other rows as they are.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply(
            "ResourceSparseApplyMomentum", [update.slots[0].handle, update.rate, rows, indices, update.number(momentum)],
            attributes: ["use_nesterov": .bool(nesterov)])
    }
}

extension Momentum {
    /// `momentum` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "momentum", [.number("momentum") { $0.momentum = $1 }, .flag("nesterov") { $0.nesterov = $1 }] as [NamedParameter<Momentum>]
    ) { Momentum(learningRate: $0) }
    /// `nesterov` in texts.
    static let namedNesterov = NamedValue<LearningRate, any Optimizer>("nesterov", [.number("momentum") { $0.momentum = $1 }] as [NamedParameter<Momentum>]) {
        Momentum(learningRate: $0, nesterov: true)
    }
}
