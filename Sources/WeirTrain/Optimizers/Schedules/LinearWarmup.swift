public import WeirGraph
import WeirOps

/// A straight line from `start` to the first rate of another schedule, which then begins. Goyal et al., *Accurate, Large Minibatch SGD:
/// Training ImageNet in 1 Hour*, 2017.
public struct LinearWarmup: LearningRateSchedule {
    /// The number of updates of the line.
    public var steps: Int
    /// The rate of the first update.
    public var start: Double
    /// The rate after the line. Its steps count from the end of the line.
    public var next: LearningRate
    /// Makes the schedule.
    public init(steps: Int, from start: Double = 0, to next: LearningRate) {
        self.steps = steps
        self.start = start
        self.next = next
    }
    /// The steps must be at least 1.
    public var problem: String? { ScheduleProblem.steps(steps) ?? next.schedule?.problem }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        let goal = next.value(builder, step: builder.scalar(0, .float64))
        let done = step / Double(steps)
        let line = (goal - start) * done + start
        let after = next.value(builder, step: (step - Double(steps)).maximum(0))
        return step.less(Double(steps)).select(line, after)
    }
}

/// The rate grows with the steps of a warmup, and then falls with the root of their number: `rate · size^−½ · min(n^−½, n · warmup^−1.5)`,
/// where `n` is the number of the update, from 1. Vaswani et al., *Attention Is All You Need*, 2017; `size` is that of the model.
public struct NoamDecay: LearningRateSchedule {
    /// A factor of all rates.
    public var rate: Double
    /// The number of updates in which the rate grows.
    public var warmup: Int
    /// The size of the model's layers.
    public var size: Int
    /// Makes the schedule.
    public init(_ rate: Double = 1, warmup: Int = 4000, size: Int = 512) {
        self.rate = rate
        self.warmup = warmup
        self.size = size
    }
    /// Warmup and size must be at least 1.
    public var problem: String? { ScheduleProblem.steps(warmup) ?? (size > 0 ? nil : "expected a size of at least 1, found \(size)") }
    /// Builds the rate.
    public func value(_ builder: GraphBuilder, step: Output) -> Output {
        let number = step + 1
        let (warmup, scale) = (Double(warmup), rate / Double(size).squareRoot())
        let slope = 1 / (warmup * warmup.squareRoot())
        return number.rsqrt().minimum(number * slope) * scale
    }
}

extension NoamDecay {
    /// `noam` in texts.
    static let named = NamedValue<LearningRateSchedules.Defaults, LearningRate>(
        "noam", [.count("warmup") { $0.warmup = $1 }, .count("size") { $0.size = $1 }] as [NamedParameter<NoamDecay>]
    ) { NoamDecay($0.rate) }
}
