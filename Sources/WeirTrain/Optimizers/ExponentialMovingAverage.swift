public import WeirGraph
import WeirOps

/// Exponential moving averages of variables: `a -= (1 − decay) · (a − v)`, beginning with the variable's initial value. They often give
/// better predictions than the last values. Polyak and Juditsky, *Acceleration of Stochastic Approximation by Averaging*, 1992.
/// TensorFlow's `ExponentialMovingAverage`.
///
/// `Optimizer.averaged(decay:)` keeps averages in a training. For a graph of one's own:
///
/// ```swift
/// let averages = ExponentialMovingAverage(decay: 0.99).apply(to: [weights], in: builder, after: [update.operation])
/// ```
public struct ExponentialMovingAverage: Sendable {
    /// The part of the average that stays, between 0 and 1.
    public var decay: Double
    /// Whether the decay is at most `(1 + n) / (10 + n)`, where `n` is the number of updates before this one, so that the averages follow
    /// faster in the beginning. TensorFlow's `num_updates`.
    public var countsUpdates: Bool
    /// The average of a variable as an optimizer's slot.
    static let slot = OptimizerSlot("ExponentialMovingAverage", .variable)

    /// Describes averages.
    public init(decay: Double, countsUpdates: Bool = false) {
        self.decay = decay
        self.countsUpdates = countsUpdates
    }

    /// What `apply` adds.
    public struct Averages: Sendable {
        /// Updates all averages.
        public let operation: Operation
        /// The averages, in the order of the variables.
        public let variables: [Variable]
    }

    /// Declares averages of variables and adds their update.
    /// - Parameters:
    ///   - after: operations that the update waits for, such as that of the variables.
    ///   - updateCount: the number of updates, a scalar; needed if `countsUpdates`, without which an error is recorded.
    public func apply(
        to variables: [Variable], in builder: GraphBuilder, after: [Operation] = [], updateCount: Output? = nil
    ) -> Averages {
        if countsUpdates, updateCount == nil {
            builder.record(.invalidArgument("ExponentialMovingAverage with countsUpdates needs 'updateCount'; found none"))
        }
        let share = countsUpdates ? updateCount.map { self.share(after: $0) } : nil
        let averages = variables.map { variable in
            builder.colocate(with: variable.handle.operation) { () -> Variable in
                var slice = variable.slice
                slice?.fullName += "/\(ExponentialMovingAverage.slot.name)"
                return builder.variable("\(variable.name)/\(ExponentialMovingAverage.slot.name)", slice: slice) { variable.initialValue }
            }
        }
        let updates = builder.controlDependencies(after) { zip(averages, variables).map { update($0, toward: $1, share: share) } }
        return Averages(operation: builder.group(updates, name: "ExponentialMovingAverage"), variables: averages)
    }

    /// The part of the difference by which an average moves, a `float64` scalar, when there were this many updates.
    func share(after updateCount: Output) -> Output {
        let number = updateCount.cast(to: .float64)
        let part = (number + 1) / (number + 10)
        return 1 - part.minimum(decay)
    }

    /// Builds the update of one average, on its device.
    /// - Parameter share: the part of the difference by which it moves; nil for `1 - decay`.
    func update(_ average: Variable, toward variable: Variable, share: Output?) -> Operation {
        let builder = average.handle.builder
        return builder.colocate(with: average.handle.operation) {
            if !(0...1).contains(decay) {
                builder.record(.invalidArgument("The decay of a moving average must be between 0 and 1, found \(decay)"))
            }
            let rate = share.map { $0.cast(to: average.dtype) } ?? builder.scalar(1 - decay, average.dtype)
            return builder.add(
                "ResourceApplyGradientDescent", [average.handle, rate, average.read() - variable.read()],
                attributes: ["T": .type(average.dtype), "use_locking": true])
        }
    }
}
