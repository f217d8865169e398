import ArgumentParser
import Weir

/// The options of the updates of the variables.
struct OptimizerOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Random seed: initial weights, batches, held-out rows.") var seed = 1
    @Option(parsing: .unconditional, help: "Updates of the variables (default: \(NamedModels.defaults { "\($0.steps)" })).") var steps: Int?
    @Option(parsing: .unconditional, help: "Rows a worker takes for one gradient (default: 32).") var batch: Int?
    @Option(
        help: ArgumentHelp(
            "\(Optimizers.names.joined(separator: ", ")), with parameters: momentum:momentum=0.8,nesterov=true (default: \(NamedModels.defaults { $0.optimizer })).",
            valueName: "NAME"))
    var optimizer: String?
    @Option(parsing: .unconditional, help: "Learning rate (default: \(NamedModels.defaults { "\($0.learningRate)" }); 0.01 with another optimizer).")
    var learningRate: Double?
    @Option(
        help: ArgumentHelp(
            "How the learning rate changes: \(LearningRateSchedules.names.joined(separator: ", ")), with parameters: cosine:warmup=20,steps=200.",
            valueName: "NAME"))
    var learningRateSchedule: String?
    @Option(
        parsing: .unconditional,
        help: "Scale gradients so that the norm of all together is at most this (default: \(NamedModels.defaults { $0.clipNorm.map { "\($0)" } })).")
    var clipNorm: Double?
    @Option(parsing: .unconditional, help: "Bring each element of the gradients between minus this and this.") var clipValue: Double?
    @Option(parsing: .unconditional, help: "Decoupled weight decay, relative to the learning rate.") var weightDecay: Double?
    @Option(parsing: .unconditional, help: "Evaluate moving averages of the variables with this decay, such as 0.99.") var average: Double?

    func validate() throws {
        try require("--steps", steps, in: OptionRange.steps)
        try require("--batch", batch, in: 1...1_000_000)
        try requirePositive("--learning-rate", learningRate, atMost: 1e6)
        try require("--clip-norm", clipNorm, in: 1e-30...1e30)
        try require("--clip-value", clipValue, in: 1e-30...1e30)
        try require("--weight-decay", weightDecay, in: 0...1e6)
        try require("--average", average, in: 0...1)
    }

    /// The optimizer's name with its parameters. Without a name, the parameters are those of the model's optimizer.
    func name(_ defaults: TrainingDefaults) -> String {
        let text = optimizer ?? defaults.optimizer
        return text.hasPrefix(":") ? defaults.optimizer + text : text
    }

    /// The first learning rate.
    func rate(_ defaults: TrainingDefaults) -> Double {
        let name = name(defaults)
        let isDefault = name == defaults.optimizer || name.hasPrefix("\(defaults.optimizer):")
        return learningRate ?? (isDefault ? defaults.learningRate : 0.01)
    }

    /// The rows of a batch. Where the user does not say, at most those that there are to train on.
    func batchSize(_ defaults: TrainingDefaults, rowCount: Int) -> Int { batch ?? max(1, min(defaults.batch, rowCount)) }

    /// What to tell the user when a batch has fewer rows than it usually has, and the user did not say so; nil if it has not.
    func notice(of batchSize: Int, _ defaults: TrainingDefaults) -> String? {
        guard batch == nil, batchSize < defaults.batch else { return nil }
        return "batches have \(batchSize) rows, not \(defaults.batch) as usual, because there are no more to train on"
    }

    /// The optimizer.
    /// - Throws: `ValidationError` for an optimizer, a schedule or a parameter that does not exist.
    func named(_ defaults: TrainingDefaults) throws -> any Optimizer { try usage { try made(defaults) } }

    private func made(_ defaults: TrainingDefaults) throws(Status) -> any Optimizer {
        let rate = self.rate(defaults)
        let scheduled: LearningRate =
            if let learningRateSchedule {
                try LearningRateSchedules.named(learningRateSchedule, rate: rate, stepCount: steps ?? defaults.steps)
            } else {
                .constant(rate)
            }
        var result = try Optimizers.named(name(defaults), learningRate: scheduled)
        if let weightDecay { result = result.decayed(weightDecay) }
        if let clipValue { result = result.clipped(.value(-clipValue, clipValue)) }
        if let clipNorm = clipNorm ?? (clipValue == nil ? defaults.clipNorm : nil) { result = result.clipped(.globalNorm(clipNorm)) }
        if let average { result = result.averaged(decay: average) }
        return result
    }
}
