public import WeirGraph
import WeirOps

/// Half a cosine wave from `rate` to `alpha · rate`. Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2017.
/// TensorFlow's `cosine_decay`, Keras's `CosineDecay`; `LinearWarmup` is its warmup.
public struct CosineDecay: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates until the rate is lowest; it stays there.
    public var steps: Int
    /// The lowest rate, as a part of the first.
    public var alpha: Double
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, alpha: Double = 0) {
        self.rate = rate
        self.steps = steps
        self.alpha = alpha
    }
    /// The steps must be at least 1.
    public var problem: String? { ScheduleProblem.steps(steps) }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        let done = step.minimum(Double(steps)) / Double(steps)
        let height = 1 - alpha
        return (done.cosineFall() * height + alpha) * rate
    }
}

/// Cosine waves that restart: each period is `periodFactor` times as long as the one before, and begins at `rateFactor` times its rate.
/// Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2017. TensorFlow's `cosine_decay_restarts`, Keras's
/// `CosineDecayRestarts`.
public struct CosineDecayRestarts: LearningRateSchedule {
    /// The rate of the first update.
    public var rate: Double
    /// The number of updates of the first period.
    public var steps: Int
    /// The length of a period, relative to the one before. `t_mul`.
    public var periodFactor: Double
    /// The first rate of a period, relative to that of the one before. `m_mul`.
    public var rateFactor: Double
    /// The lowest rate, as a part of the first.
    public var alpha: Double
    /// Makes the schedule.
    public init(_ rate: Double, steps: Int, periodFactor: Double = 2, rateFactor: Double = 1, alpha: Double = 0) {
        self.rate = rate
        self.steps = steps
        self.periodFactor = periodFactor
        self.rateFactor = rateFactor
        self.alpha = alpha
    }
    /// The steps and the factor of periods must be at least 1, and the factor of rates above 0.
    public var problem: String? {
        ScheduleProblem.steps(steps) ?? (periodFactor >= 1 ? nil : "expected a factor of periods of at least 1, found \(periodFactor)")
            ?? ScheduleProblem.positive("a factor of rates", rateFactor)
    }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        let passed = step / Double(steps)
        let restarts: Output, done: Output
        if periodFactor == 1 {
            restarts = passed.floor()
            done = passed - restarts
        } else {
            // Before restart i the periods have (f^i − 1) / (f − 1) times the length of the first. The logarithms' rounding must not
            // delay a restart.
            let base = builder.scalar(periodFactor, .float64)
            let growth = periodFactor - 1
            let number = (passed * growth + 1).log() / base.log()
            restarts = (number + 1e-9).floor()
            let length = base.pow(restarts)
            let begun = (length - 1) / growth
            done = (passed - begun) / length
        }
        let wave = rateFactor == 1 ? done.cosineFall() : done.cosineFall() * builder.scalar(rateFactor, .float64).pow(restarts)
        let height = 1 - alpha
        return (wave * height + alpha) * rate
    }
}

extension Output {
    /// From 1 at 0 to 0 at 1.
    fileprivate func cosineFall() -> Output { ((self * Double.pi).cos() + 1) * 0.5 }
}

extension CosineDecay {
    /// `cosine` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "cosine", [.count("steps") { $0.steps = $1 }, .number("alpha") { $0.alpha = $1 }] as [NamedParameter<CosineDecay>]
    ) { CosineDecay($0.rate, steps: $0.stepCount) }
}

extension CosineDecayRestarts {
    /// `cosine-restarts` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "cosine-restarts",
        [
            .count("steps") { $0.steps = $1 }, .number("period-factor") { $0.periodFactor = $1 }, .number("rate-factor") { $0.rateFactor = $1 },
            .number("alpha") { $0.alpha = $1 },
        ] as [NamedParameter<CosineDecayRestarts>]
    ) { CosineDecayRestarts($0.rate, steps: $0.stepCount) }
}
