public import WeirGraph

/// Adam uses moving averages of the gradient and its square, corrected for their initial value of zero. Kingma and Ba, *Adam:
/// A Method for Stochastic Optimization*, 2015.
public struct Adam: Optimizer {
    /// `Adam`.
    public let name = "Adam"
    /// The learning rate.
    public var learningRate: Double
    /// The decay rate of the average of gradients.
    public var beta1: Double
    /// The decay rate of the average of squared gradients.
    public var beta2: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// Makes an Adam optimizer.
    public init(learningRate: Double = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }
    /// The averages of gradients and of squared gradients.
    public var slots: [(name: String, initial: Double)] { [("Adam", 0), ("Adam_1", 0)] }
    /// The powers of `beta1` and `beta2` for the bias correction.
    public var scalars: [(name: String, initial: Double)] { [("beta1_power", beta1), ("beta2_power", beta2)] }

    /// Adds `ResourceApplyAdam`.
    public func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation {
        checked(variable, slots, scalars) { builder in
            func number(_ value: Double) -> Output { builder.scalar(value, variable.dtype) }
            return builder.add(
                "ResourceApplyAdam",
                [
                    variable.handle, slots[0].handle, slots[1].handle, scalars[0].value, scalars[1].value, number(learningRate),
                    number(beta1), number(beta2), number(epsilon), gradient,
                ],
                attributes: ["T": .type(variable.dtype), "use_locking": true])
        }
    }

    /// Multiplies the powers by `beta1` and `beta2`.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] {
        zip(scalars, [beta1, beta2]).map { power, beta in
            power.assign(builder.add("Mul", [power.read(), builder.scalar(beta, power.dtype)])[0])
        }
    }
}
