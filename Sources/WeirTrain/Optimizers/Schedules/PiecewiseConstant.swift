public import WeirGraph
import WeirOps

/// A rate for each range of updates: `values[i]` up to and including step `boundaries[i]`, and the last value after that. TensorFlow's
/// `piecewise_constant`, Keras's `PiecewiseConstantDecay`.
public struct PiecewiseConstant: LearningRateSchedule {
    /// The last steps of the values but the last, ascending.
    public var boundaries: [Int]
    /// The rates, one more than boundaries.
    public var values: [Double]
    /// Makes the schedule.
    public init(boundaries: [Int], values: [Double]) {
        self.boundaries = boundaries
        self.values = values
    }
    /// The boundaries must ascend, and there must be at least one, and one value more.
    public var problem: String? {
        guard values.count == boundaries.count + 1 else {
            return "expected one value more than boundaries, found \(values.count) values and \(boundaries.count) boundaries"
        }
        guard !boundaries.isEmpty else { return "expected at least one boundary, found none" }
        return zip(boundaries, boundaries.dropFirst()).allSatisfy { $0 < $1 } ? nil : "expected boundaries that ascend, found \(boundaries)"
    }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        var rate = builder.scalar(values.last ?? 0, .float64)
        for (boundary, value) in zip(boundaries, values).reversed() {
            rate = step.lessEqual(Double(boundary)).select(builder.scalar(value, .float64), rate)
        }
        return rate
    }
}

extension PiecewiseConstant {
    /// `piecewise` in texts: `at` are the last steps of the rates but the last, and `factors` multiply the rate after each of them.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "piecewise",
        [.numbers("at") { $0.boundaries = $1 }, .numbers("factors") { $0.factors = $1 }] as [NamedParameter<Factors>],
        make: { Factors(rate: $0.rate) }, value: { LearningRate($0.schedule) })

    /// A schedule as a text describes it.
    struct Factors: Sendable {
        var rate: Double
        var boundaries: [Double] = []
        var factors: [Double] = []
        var schedule: PiecewiseConstant {
            PiecewiseConstant(boundaries: boundaries.map { Int(exactly: $0.rounded(.down)) ?? .max }, values: [rate] + factors.map { $0 * rate })
        }
    }
}
