public import WeirGraph
import WeirOps

/// From `rate` to `end` in a number of steps: `(rate − end) · (1 − step / steps) ^ power + end`. TensorFlow's `polynomial_decay`, Keras's
/// `PolynomialDecay`.
public struct PolynomialDecay: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates until the rate is `end`.
    public var steps: Int
    /// The last rate.
    public var end: Double
    /// The power; 1 for a straight line.
    public var power: Double
    /// Whether, each time when the rate is `end`, the number of steps grows by `steps` and the rate with it. Otherwise the rate stays.
    public var cycle: Bool
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, end: Double = 0.0001, power: Double = 1, cycle: Bool = false) {
        self.rate = rate
        self.steps = steps
        self.end = end
        self.power = power
        self.cycle = cycle
    }
    /// The steps must be at least 1, and the power above 0.
    public var problem: String? { ScheduleProblem.steps(steps) ?? ScheduleProblem.positive("a power", power) }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        let steps = Double(steps)
        let done: Output
        if cycle {
            // The first step is in the first cycle.
            let periods = (step / steps).ceil().maximum(1)
            done = step / (periods * steps)
        } else {
            done = step.minimum(steps) / steps
        }
        let rest = 1 - done, height = rate - end
        let curve = power == 1 ? rest : rest.pow(power)
        return curve * height + end
    }
}

extension PolynomialDecay {
    /// `polynomial` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "polynomial",
        [.count("steps") { $0.steps = $1 }, .number("end") { $0.end = $1 }, .number("power") { $0.power = $1 }, .flag("cycle") { $0.cycle = $1 }]
            as [NamedParameter<PolynomialDecay>]
    ) { PolynomialDecay($0.rate, steps: $0.stepCount, end: 0) }
}
