public import WeirGraph
import WeirOps

/// `rate · decayRate ^ (step / steps)`. TensorFlow's `exponential_decay`, Keras's `ExponentialDecay`.
public struct ExponentialDecay: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates in which the rate is multiplied by `decayRate`.
    public var steps: Int
    /// The factor.
    public var decayRate: Double
    /// Whether the rate changes only at multiples of `steps`.
    public var staircase: Bool
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, decayRate: Double, staircase: Bool = false) {
        self.rate = rate
        self.steps = steps
        self.decayRate = decayRate
        self.staircase = staircase
    }
    /// The steps must be at least 1, and the decay rate above 0.
    public var problem: String? { ScheduleProblem.steps(steps) ?? ScheduleProblem.positive("a decay rate", decayRate) }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        rate * builder.scalar(decayRate, .float64).pow(step.parts(of: steps, staircase: staircase))
    }
}

/// `rate · e ^ (−decayRate · step / steps)`. TensorFlow's `natural_exp_decay`.
public struct NaturalExpDecay: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates in which the exponent falls by `decayRate`.
    public var steps: Int
    /// How fast the rate falls.
    public var decayRate: Double
    /// Whether the rate changes only at multiples of `steps`.
    public var staircase: Bool
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, decayRate: Double, staircase: Bool = false) {
        self.rate = rate
        self.steps = steps
        self.decayRate = decayRate
        self.staircase = staircase
    }
    /// The steps must be at least 1.
    public var problem: String? { ScheduleProblem.steps(steps) }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        rate * (step.parts(of: steps, staircase: staircase) * -decayRate).exp()
    }
}

/// `rate / (1 + decayRate · step / steps)`. TensorFlow's `inverse_time_decay`, Keras's `InverseTimeDecay`.
public struct InverseTimeDecay: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates in which the divisor grows by `decayRate`.
    public var steps: Int
    /// How fast the divisor grows.
    public var decayRate: Double
    /// Whether the rate changes only at multiples of `steps`.
    public var staircase: Bool
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, decayRate: Double, staircase: Bool = false) {
        self.rate = rate
        self.steps = steps
        self.decayRate = decayRate
        self.staircase = staircase
    }
    /// The steps must be at least 1, and the decay rate not below 0.
    public var problem: String? {
        ScheduleProblem.steps(steps) ?? (decayRate >= 0 ? nil : "expected a decay rate of at least 0, found \(decayRate)")
    }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        rate / (1 + step.parts(of: steps, staircase: staircase) * decayRate)
    }
}

extension Output {
    /// How often a number of steps has passed: a fraction, or with `staircase` its whole part.
    fileprivate func parts(of steps: Int, staircase: Bool) -> Output {
        let parts = self / Double(steps)
        return staircase ? parts.floor() : parts
    }
}

extension ExponentialDecay {
    /// `exponential` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "exponential",
        [.count("steps") { $0.steps = $1 }, .number("decay") { $0.decayRate = $1 }, .flag("staircase") { $0.staircase = $1 }]
            as [NamedParameter<ExponentialDecay>]
    ) { ExponentialDecay($0.rate, steps: $0.stepCount, decayRate: 0.1) }
}

extension NaturalExpDecay {
    /// `natural-exponential` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "natural-exponential",
        [.count("steps") { $0.steps = $1 }, .number("decay") { $0.decayRate = $1 }, .flag("staircase") { $0.staircase = $1 }]
            as [NamedParameter<NaturalExpDecay>]
    ) { NaturalExpDecay($0.rate, steps: $0.stepCount, decayRate: 2) }
}

extension InverseTimeDecay {
    /// `inverse-time` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "inverse-time",
        [.count("steps") { $0.steps = $1 }, .number("decay") { $0.decayRate = $1 }, .flag("staircase") { $0.staircase = $1 }]
            as [NamedParameter<InverseTimeDecay>]
    ) { InverseTimeDecay($0.rate, steps: $0.stepCount, decayRate: 9) }
}
