import ArgumentParser
import Weir

/// The options of one training, wherever it runs: those of `weir train`, and those that a sweep tries.
struct TrainingArguments: ParsableArguments {
    @OptionGroup var model: ModelOptions
    @OptionGroup var data: DataOptions
    @OptionGroup var strategy: StrategyOptions
    @OptionGroup var optimizer: OptimizerOptions
    @Option(parsing: .unconditional, help: "Updates from one evaluation on held-out rows to the next (default: at the end only).") var evaluateEvery: Int?

    func validate() throws { try require("--evaluate-every", evaluateEvery, in: OptionRange.steps) }

    /// The training that the options describe.
    /// - Parameters:
    ///   - devices: the devices that compute.
    ///   - isHere: whether they are of this process, not of servers.
    func options(devices: DeviceOptions, isHere: Bool) throws -> TrainingOptions {
        let defaults = model.defaults
        let rows = try data.rows(defaults)
        var options = TrainingOptions(
            try model.graph(for: rows, seed: optimizer.seed), data: rows.data, strategy: try strategy.named(), optimizer: try optimizer.named(defaults),
            stepCount: optimizer.steps ?? defaults.steps, batchSize: optimizer.batch ?? defaults.batch, seed: optimizer.seed)
        options.foldCount = data.folds
        try strategy.split.apply(to: &options)
        options.evaluationInterval = evaluateEvery
        options.devices = try devices.scopes()
        if isHere { options.localDevices = try devices.local() }
        return options
    }
}
