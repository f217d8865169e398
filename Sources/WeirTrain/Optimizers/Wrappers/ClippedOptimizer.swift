/// An optimizer that sees clipped gradients. `Optimizer.clipped(_:)` makes it.
public struct ClippedOptimizer: OptimizerWrapper {
    /// The optimizer of the updates.
    public var base: any Optimizer
    /// What is done with the gradients, after what the optimizer itself asks for.
    public var added: GradientClipping
    /// Makes the optimizer.
    public init(_ base: any Optimizer, _ clipping: GradientClipping) {
        self.base = base
        added = clipping
    }
    /// The optimizer's clipping, then the added one.
    public var clipping: [GradientClipping] { base.clipping + [added] }
}

extension Optimizer {
    /// The optimizer with clipped gradients. Several are applied in the order in which they were added.
    ///
    /// ```swift
    /// options.optimizer = Adam(learningRate: 0.01).clipped(.globalNorm(1))
    /// ```
    public func clipped(_ clipping: GradientClipping) -> ClippedOptimizer { ClippedOptimizer(self, clipping) }
}
