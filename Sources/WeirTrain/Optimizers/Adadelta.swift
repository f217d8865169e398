public import WeirGraph

/// Adadelta scales each step by the ratio of the root mean squares of earlier steps and of gradients, so that it has the variable's
/// unit. Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, 2012; the paper's learning rate is 1.
public struct Adadelta: Optimizer {
    /// `Adadelta`.
    public let name = "Adadelta"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The decay rate of both means.
    public var rho: Double
    /// A small number below both roots, which starts the steps.
    public var epsilon: Double
    /// Makes an Adadelta optimizer.
    public init(learningRate: LearningRate = 0.001, rho: Double = 0.95, epsilon: Double = 1e-8) {
        self.learningRate = learningRate
        self.rho = rho
        self.epsilon = epsilon
    }
    /// The means of squared gradients and of squared steps.
    public var slots: [OptimizerSlot] { [OptimizerSlot("Adadelta", 0), OptimizerSlot("Adadelta_1", 0)] }

    /// Adds `ResourceApplyAdadelta`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyAdadelta", update.slots.map(\.handle) + [update.rate, update.number(rho), update.number(epsilon), gradient])
    }

    /// Adds `ResourceSparseApplyAdadelta`, which leaves the other rows of both slots as they are.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        update.apply(
            "ResourceSparseApplyAdadelta",
            update.slots.map(\.handle) + [update.rate, update.number(rho), update.number(epsilon), rows, indices])
    }
}

extension Adadelta {
    /// `adadelta` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "adadelta", [.number("rho") { $0.rho = $1 }, .number("epsilon") { $0.epsilon = $1 }] as [NamedParameter<Adadelta>]
    ) { Adadelta(learningRate: $0) }
}
