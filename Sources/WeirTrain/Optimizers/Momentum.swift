public import WeirGraph

/// Momentum: `m = μ·m + g; v -= rate · m`. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
/// With `nesterov`: Sutskever et al., *On the importance of initialization and momentum in deep learning*, 2013.
public struct Momentum: Optimizer {
    /// `Momentum`.
    public let name = "Momentum"
    /// The learning rate.
    public var learningRate: Double
    /// The coefficient μ.
    public var momentum: Double
    /// Whether to use Nesterov momentum.
    public var nesterov: Bool
    /// Makes a momentum optimizer.
    public init(learningRate: Double, momentum: Double = 0.9, nesterov: Bool = false) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.nesterov = nesterov
    }
    /// The accumulator `m`.
    public var slots: [(name: String, initial: Double)] { [("Momentum", 0)] }

    /// Adds `ResourceApplyMomentum`.
    public func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            return builder.add(
                "ResourceApplyMomentum",
                [
                    variable.handle, slots[0].handle, builder.scalar(learningRate, variable.dtype), gradient,
                    builder.scalar(momentum, variable.dtype),
                ],
                attributes: ["T": .type(variable.dtype), "use_locking": true, "use_nesterov": .bool(nesterov)])
        }
    }

    /// Adds `ResourceSparseApplyMomentum`, which leaves the accumulator's other rows as they are.
    public func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            return builder.add(
                "ResourceSparseApplyMomentum",
                [
                    variable.handle, slots[0].handle, builder.scalar(learningRate, variable.dtype), rows, indices,
                    builder.scalar(momentum, variable.dtype),
                ],
                attributes: ["T": .type(variable.dtype), "use_locking": true, "use_nesterov": .bool(nesterov)])
        }
    }
}
