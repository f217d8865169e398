public import WeirTensor

/// What a sweep tries, how it searches, and what it keeps.
///
/// A configuration is the base options with a value for each parameter. What options there are is up to the `TrialRunner`, except
/// for `steps`: the number of updates for which a grid or a random search trains each configuration.
public struct SweepSpecification: Hashable, Sendable {
    /// The most trials of a sweep, and the most points of a grid.
    public static let maximumTrialCount = 10_000
    /// The most steps of a trial.
    public static let maximumStepCount = 1_000_000_000
    static let maximumParameterCount = 64
    static let maximumRetryCount = 1_000

    /// The options that all configurations share.
    public let base: [String: ParameterValue]
    /// The parameters. Of a grid, the last one changes fastest.
    public let parameters: [SweepParameter]
    /// How configurations are chosen.
    public let method: SearchMethod
    /// The number of configurations.
    public let trialCount: Int
    /// The seed of random configurations.
    public let seed: Int
    /// What is looked for.
    public let objective: SweepObjective
    /// How often a trial is started again because its server was lost, before it has failed.
    public let retries: Int
    /// The number of best trials whose checkpoints are kept.
    public let keep: Int

    /// Makes a specification.
    /// - Parameters:
    ///   - trials: the number of configurations; a grid has as many as it has points, and takes nil.
    /// - Throws: `invalidArgument` with the name of the field that is wrong, what was expected and what was found.
    public init(
        base: [String: ParameterValue], parameters: [SweepParameter], method: SearchMethod, trials: Int? = nil, seed: Int = 1,
        objective: SweepObjective, retries: Int = 2, keep: Int = 1
    ) throws(Status) {
        try SweepSpecification.check(parameters)
        try SweepSpecification.check(steps: base["steps"], "base.steps")
        for (name, value) in base {
            if case .number(let number) = value, !number.isFinite { throw .invalidArgument("base.\(name): expected a finite number, found \(number)") }
        }
        guard !objective.metric.isEmpty else { throw .invalidArgument("objective.metric: expected the name of a metric, found an empty text") }
        guard (0...SweepSpecification.maximumRetryCount).contains(retries) else {
            throw .invalidArgument("retries: expected an integer between 0 and \(SweepSpecification.maximumRetryCount), found \(retries)")
        }
        guard (0...SweepSpecification.maximumTrialCount).contains(keep) else {
            throw .invalidArgument("keep: expected an integer between 0 and \(SweepSpecification.maximumTrialCount), found \(keep)")
        }
        let steps = parameters.first { $0.name == "steps" }
        if case .grid = method {
            guard trials == nil else { throw .invalidArgument("trials: expected none, because a grid has a trial for each point, found \(trials ?? 0)") }
            trialCount = try SweepSpecification.pointCount(parameters)
        } else {
            guard let trials else {
                throw .invalidArgument("trials: expected the number of configurations of the search \(method.name.rawValue), found nothing")
            }
            guard (1...SweepSpecification.maximumTrialCount).contains(trials) else {
                throw .invalidArgument("trials: expected an integer between 1 and \(SweepSpecification.maximumTrialCount), found \(trials)")
            }
            trialCount = trials
        }
        if let rungs = method.rungs {
            guard steps == nil else {
                throw .invalidArgument("parameters.steps: expected no such parameter, because the search \(method.name.rawValue) chooses the steps")
            }
            try SweepSpecification.check(rungs, isMaximumRequired: method.name == .asha)
        } else if let steps {
            try SweepSpecification.check(steps)
        } else if base["steps"] == nil {
            throw .invalidArgument("base.steps: expected the number of steps of a trial, found nothing")
        }
        self.base = base
        self.parameters = parameters
        self.method = method
        self.seed = seed
        self.objective = objective
        self.retries = retries
        self.keep = keep
    }

    /// The search that the specification describes, at its start.
    func search() -> any SearchAlgorithm {
        switch method {
        case .grid, .random: IndependentTrials(steps: stepsOfTrials)
        case .halving(let rungs): SuccessiveHalving(trialCount: trialCount, rungs: rungs)
        case .asha(let rungs): AsynchronousHalving(trialCount: trialCount, rungs: rungs)
        }
    }

    /// The configuration of a trial: the base options and its values of the parameters. It depends on the trial's number and the
    /// seed only.
    func configuration(of trial: Int) -> [String: ParameterValue] {
        var configuration = base
        if case .grid = method {
            var rest = trial
            for parameter in parameters.reversed() {
                let points = parameter.points ?? []
                configuration[parameter.name] = points[rest % points.count]
                rest /= points.count
            }
        } else {
            // Both words are mixed: the generators of neighbouring trials have nothing in common.
            var mixer = SplitMix(seed: UInt64(bitPattern: Int64(seed)))
            var generator = SplitMix(seed: mixer.next() ^ UInt64(trial))
            generator = SplitMix(seed: generator.next())
            for parameter in parameters { configuration[parameter.name] = parameter.sample(&generator) }
        }
        return configuration
    }

    /// The steps of each trial of a grid or a random search.
    private var stepsOfTrials: [Int] {
        func steps(_ configuration: [String: ParameterValue]) -> Int {
            guard case .integer(let steps)? = configuration["steps"] else { preconditionFailure("the initializer checks that steps are integers") }
            return steps
        }
        guard parameters.contains(where: { $0.name == "steps" }) else { return [Int](repeating: steps(base), count: trialCount) }
        return (0..<trialCount).map { steps(configuration(of: $0)) }
    }
}
