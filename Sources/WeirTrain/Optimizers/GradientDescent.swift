public import WeirGraph

/// Gradient descent: `v -= rate · g`. Robbins and Monro, *A Stochastic Approximation Method*, 1951.
public struct GradientDescent: Optimizer {
    /// `GradientDescent`.
    public let name = "GradientDescent"
    /// The learning rate.
    public var learningRate: Double
    /// Makes a gradient descent optimizer.
    public init(learningRate: Double) { self.learningRate = learningRate }

    /// Adds `ResourceApplyGradientDescent`.
    public func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation {
        let builder = variable.handle.builder
        return builder.add(
            "ResourceApplyGradientDescent", [variable.handle, builder.scalar(learningRate, variable.dtype), gradient],
            attributes: ["T": .type(variable.dtype), "use_locking": true])
    }

    /// Adds `ResourceScatterSub`.
    public func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation {
        let builder = variable.handle.builder
        let changes = builder.add("Mul", [rows, builder.scalar(learningRate, variable.dtype)])[0]
        return builder.add("ResourceScatterSub", [variable.handle, indices, changes], attributes: ["dtype": .type(variable.dtype)])
    }
}
