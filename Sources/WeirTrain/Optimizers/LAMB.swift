public import WeirGraph
import WeirOps
import WeirTensor

/// Adam for large batches: the step of each variable has the variable's norm, times the learning rate. You et al., *Large Batch
/// Optimization for Deep Learning: Training BERT in 76 Minutes*, 2020. Keras's `Lamb`, with the paper's weight decay.
///
/// The norms are those of whole variables, also of such as are cut into parts on several devices. A sparse gradient updates all rows.
public struct LAMB: Optimizer {
    /// `LAMB`.
    public let name = "LAMB"
    /// The learning rate.
    public var learningRate: LearningRate
    /// The decay rate of the average of gradients.
    public var beta1: Double
    /// The decay rate of the average of squared gradients.
    public var beta2: Double
    /// A small number that prevents division by zero.
    public var epsilon: Double
    /// The part of the variable that is added to the step before it is scaled.
    public var weightDecay: Double
    /// Makes a LAMB optimizer.
    public init(
        learningRate: LearningRate = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7, weightDecay: Double = 0
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }
    /// The averages of gradients and of squared gradients.
    public var slots: [OptimizerSlot] { [OptimizerSlot("LAMB", 0), OptimizerSlot("LAMB_1", 0)] }
    /// The powers of `beta1` and `beta2` for the bias correction.
    public var scalars: [(name: String, initial: Double)] { [("beta1_power", beta1), ("beta2_power", beta2)] }

    /// Builds the updates; those of the parts of one variable have the same scale.
    public func updates(_ all: [VariableUpdate]) -> [Operation] {
        let groups = Dictionary(grouping: all.indices) { all[$0].wholeName }.values.sorted { $0[0] < $1[0] }
        var ends: [Int: Operation] = [:]
        for indices in groups { ends.merge(zip(indices, update(indices.map { all[$0] }))) { first, _ in first } }
        return all.indices.compactMap { ends[$0] }
    }

    /// Builds the update of one variable, which is not a part of another.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        var one = update
        one.gradient = .dense(gradient)
        return self.update([one]).first ?? update.builder.group([])
    }

    /// The step of a variable or of a part before it is scaled, with the norms' squares.
    private struct Step {
        let update: VariableUpdate
        let direction: Output
        /// The sums of squares of the variable and of the direction.
        let squares: [Output]
        let assignments: [Operation]
    }

    /// Builds the updates of the parts of a variable, of which there is at least one.
    private func update(_ parts: [VariableUpdate]) -> [Operation] {
        guard let first = parts.first else { return [] }
        let steps = parts.map { part in part.colocated { step(part) } }
        let ratio = first.colocated { () -> Output in
            let norms = [0, 1].map { which -> Output in
                let sums = steps.map { $0.squares[which] }
                return (sums.count == 1 ? sums[0] : first.builder.add("AddN", sums)[0]).sqrt()
            }
            let hasNorms = first.builder.add("LogicalAnd", [norms[0].greater(0), norms[1].greater(0)])[0]
            // Selected before the division, so that nothing is divided by 0.
            let one = first.number(1)
            return hasNorms.select(norms[0], one) / hasNorms.select(norms[1], one)
        }
        return steps.map { step in
            step.update.colocated {
                let applied = step.update.apply("ResourceApplyGradientDescent", [step.update.rate * ratio, step.direction])
                return first.builder.group(step.assignments + [applied], name: "LAMB")
            }
        }
    }

    private func step(_ update: VariableUpdate) -> Step {
        let gradient = update.denseGradient
        let (m, v) = (update.current(update.slots[0]), update.current(update.slots[1]))
        let (ownMean, ownSquare) = (1 - beta1, 1 - beta2)
        let mean = m + (gradient - m) * ownMean
        let square = v + (gradient.square() - v) * ownSquare
        // Corrected for their initial value of zero.
        let numerator = mean / (1 - update.scalar(0)), denominator = (square / (1 - update.scalar(1))).sqrt()
        var direction = numerator / (denominator + epsilon)
        let value = update.current(update.variable)
        if weightDecay != 0 { direction = direction + value * weightDecay }
        return Step(
            update: update, direction: direction, squares: [value.square().sum(), direction.square().sum()],
            assignments: [update.slots[0].assign(mean), update.slots[1].assign(square)])
    }

    /// Multiplies the powers by `beta1` and `beta2`.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] {
        zip(scalars, [beta1, beta2]).map { power, beta in power.assign(power.read() * beta) }
    }
}

extension LAMB {
    /// `lamb` in texts.
    static let named = NamedValue<LearningRate, any Optimizer>(
        "lamb",
        [
            .number("beta1") { $0.beta1 = $1 }, .number("beta2") { $0.beta2 = $1 }, .number("epsilon") { $0.epsilon = $1 },
            .number("decay") { $0.weightDecay = $1 },
        ] as [NamedParameter<LAMB>]
    ) { LAMB(learningRate: $0) }
}
