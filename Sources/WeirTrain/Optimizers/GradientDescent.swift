public import WeirGraph
import WeirOps

/// Gradient descent: `v -= rate · g`. Robbins and Monro, *A Stochastic Approximation Method*, 1951.
public struct GradientDescent: Optimizer {
    /// `GradientDescent`.
    public let name = "GradientDescent"
    /// The learning rate.
    public var learningRate: LearningRate
    /// Makes a gradient descent optimizer.
    public init(learningRate: LearningRate) { self.learningRate = learningRate }

    /// Adds `ResourceApplyGradientDescent`.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        update.apply("ResourceApplyGradientDescent", [update.rate, gradient])
    }

    /// Adds `ResourceScatterSub`.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        let changes = update.builder.add("Mul", [rows, update.rate])[0]
        return update.builder.add(
            "ResourceScatterSub", [update.variable.handle, indices, changes], attributes: ["dtype": .type(update.variable.dtype)])
    }
}

extension GradientDescent {
    /// `sgd` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>("sgd", [] as [NamedParameter<GradientDescent>]) { GradientDescent(learningRate: $0) }
}
