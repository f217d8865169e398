public import WeirTensor

/// The schedules of learning rates by name, as `weir train --schedule` and sweeps name them.
public enum LearningRateSchedules {
    /// What a schedule is made of where the text says nothing.
    struct Defaults: Sendable {
        /// The rate of the first update.
        var rate: Double
        /// The number of updates of the training.
        var stepCount: Int
    }

    private static let all: [NamedValue<Defaults, LearningRate>] = [
        NamedValue("constant", [NamedParameter<Double>](), make: { $0.rate }, value: { .constant($0) }),
        ExponentialDecay.named, NaturalExpDecay.named, InverseTimeDecay.named, PiecewiseConstant.named, PolynomialDecay.named, CosineDecay.named,
        CosineDecayRestarts.named, NoamDecay.named,
    ]

    /// The names.
    public static var names: [String] { all.map(\.name) }
    /// The names of the parameters of a schedule; nil if there is none of this name.
    public static func parameters(of name: String) -> [String]? { all.first { $0.name == name }?.parameters }

    /// The schedule that a text names: `cosine`, `exponential:steps=100,decay=0.9`. With the parameter `warmup`, a number of steps, the rate
    /// first grows from 0.
    /// - Parameters:
    ///   - rate: the rate of the first update.
    ///   - stepCount: the number of updates of the training; a schedule that ends takes as many if the text does not say.
    /// - Throws: `invalidArgument` for a name, a parameter or a value that does not exist, and for a rate that is not above 0.
    public static func named(_ text: String, rate: Double, stepCount: Int) throws(Status) -> LearningRate {
        let parsed = try NamedText(text)
        try Optimizers.check(learningRate: rate)
        let found = try parsed.find("A schedule", among: all)
        var settings = parsed.settings
        var warmup: Int?
        if !found.parameters.contains("warmup"), let index = settings.firstIndex(where: { $0.name == "warmup" }) {
            guard let steps = Int(settings[index].value), (1...1_000_000_000).contains(steps) else {
                throw .invalidArgument("'\(found.name)': 'warmup' must be a whole number of at least 1, found '\(settings[index].value)'")
            }
            warmup = steps
            settings.remove(at: index)
        }
        // A schedule that ends does so with the training.
        let rest = warmup.map { max(1, stepCount - $0) } ?? max(1, stepCount)
        let schedule = try found(Defaults(rate: rate, stepCount: rest), settings)
        if let problem = schedule.schedule?.problem { throw .invalidArgument("'\(found.name)': \(problem)") }
        return warmup.map { LearningRate(LinearWarmup(steps: $0, to: schedule)) } ?? schedule
    }
}

extension NamedValue where Argument == LearningRateSchedules.Defaults, Value == LearningRate {
    /// Describes a schedule.
    init<Root: LearningRateSchedule>(
        _ name: String, _ parameters: [NamedParameter<Root>], make: @escaping @Sendable (LearningRateSchedules.Defaults) -> Root
    ) {
        self.init(name, parameters, make: make) { LearningRate($0) }
    }
}
