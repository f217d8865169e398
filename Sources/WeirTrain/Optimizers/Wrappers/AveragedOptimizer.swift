public import WeirGraph
import WeirOps

/// An optimizer that keeps moving averages of the variables, which are evaluated in their place. `Optimizer.averaged(decay:)` makes it.
///
/// The averages are slots, `weights/ExponentialMovingAverage`, so that checkpoints have them under TensorFlow's names and strategies keep
/// them where the variables are.
public struct AveragedOptimizer: OptimizerWrapper {
    /// The optimizer of the updates.
    public var base: any Optimizer
    /// The averages.
    public var average: ExponentialMovingAverage
    /// Whether the averages are evaluated in place of the variables.
    public var isEvaluated: Bool
    /// Makes the optimizer.
    public init(_ base: any Optimizer, _ average: ExponentialMovingAverage, isEvaluated: Bool = true) {
        self.base = base
        self.average = average
        self.isEvaluated = isEvaluated
    }
    /// The optimizer's slots, and the average.
    public var slots: [OptimizerSlot] { base.slots + [ExponentialMovingAverage.slot] }
    /// The average.
    public var evaluatedSlot: Int? { isEvaluated ? base.slots.count : base.evaluatedSlot }
    /// The averages follow faster in the beginning if the number of updates counts.
    public var usesStepNumber: Bool { base.usesStepNumber || average.countsUpdates }

    /// Builds the updates, and then those of the averages.
    public func updates(_ all: [VariableUpdate]) -> [Operation] {
        let own = all.map { one in
            var inner = one
            inner.slots.removeLast(min(1, inner.slots.count))
            return inner
        }
        let updated = base.updates(own)
        guard let first = all.first else { return updated }
        let step = first.step.number.flatMap { average.countsUpdates ? $0 : nil }
        // Once, beside the number of updates.
        let share = step.map { step in first.builder.colocate(with: step.operation) { average.share(after: step) } }
        return zip(all, updated).map { one, update in
            guard let slot = one.slots.last else { return update }
            return one.builder.controlDependencies([update]) { average.update(slot, toward: one.variable, share: share) }
        }
    }

    /// Builds the update of one variable and of its average.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        var one = update
        one.gradient = .dense(gradient)
        return update.builder.group(updates([one]))
    }

    /// Builds the update of rows of one variable and of its average.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        var one = update
        one.gradient = .sparse(indices: indices, rows: rows)
        return update.builder.group(updates([one]))
    }
}

extension Optimizer {
    /// The optimizer with exponential moving averages of the variables, which are evaluated in their place.
    /// - Parameters:
    ///   - decay: the part of the average that stays in each update: 0.999, for example.
    ///   - countsUpdates: whether the averages follow faster in the beginning. See `ExponentialMovingAverage`.
    ///   - isEvaluated: whether the averages are evaluated in place of the variables.
    public func averaged(decay: Double, countsUpdates: Bool = false, isEvaluated: Bool = true) -> AveragedOptimizer {
        AveragedOptimizer(self, ExponentialMovingAverage(decay: decay, countsUpdates: countsUpdates), isEvaluated: isEvaluated)
    }
}
