public import WeirGraph

/// RMSProp divides the gradient by a moving root mean square of gradients. Tieleman and Hinton, *Lecture 6.5*, Neural Networks
/// for Machine Learning, 2012.
public struct RMSProp: Optimizer {
    /// `RMSProp`.
    public let name = "RMSProp"
    /// The learning rate.
    public var learningRate: Double
    /// The decay rate of the moving average.
    public var decay: Double
    /// The momentum coefficient; 0 for none.
    public var momentum: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// Makes an RMSProp optimizer.
    public init(learningRate: Double = 0.001, decay: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-10) {
        self.learningRate = learningRate
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon
    }
    /// The moving mean square, and the momentum accumulator.
    public var slots: [(name: String, initial: Double)] { [("RMSProp", 1), ("RMSProp_1", 0)] }

    /// Adds `ResourceApplyRMSProp`.
    public func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            func number(_ value: Double) -> Output { builder.scalar(value, variable.dtype) }
            return builder.add(
                "ResourceApplyRMSProp",
                [
                    variable.handle, slots[0].handle, slots[1].handle, number(learningRate), number(decay), number(momentum),
                    number(epsilon), gradient,
                ],
                attributes: ["T": .type(variable.dtype), "use_locking": true])
        }
    }

    /// Adds `ResourceSparseApplyRMSProp`, which leaves the other rows of both slots as they are.
    public func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            func number(_ value: Double) -> Output { builder.scalar(value, variable.dtype) }
            return builder.add(
                "ResourceSparseApplyRMSProp",
                [
                    variable.handle, slots[0].handle, slots[1].handle, number(learningRate), number(decay), number(momentum),
                    number(epsilon), rows, indices,
                ],
                attributes: ["T": .type(variable.dtype), "use_locking": true])
        }
    }
}
