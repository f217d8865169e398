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
        var options = try TrainingOptions(model, data, optimizer)
        try strategy.apply(to: &options)
        options.evaluationInterval = evaluateEvery
        options.devices = try devices.scopes()
        if isHere { options.localDevices = try devices.local() }
        return options
    }
}

extension TrainingOptions {
    /// A training of a network on rows, where options that are not given have the values that suit the network.
    init(_ model: ModelOptions, _ data: DataOptions, _ optimizer: OptimizerOptions) throws {
        let defaults = model.defaults
        let rows = try data.rows(defaults)
        self.init(
            try model.graph(for: rows, seed: optimizer.seed), data: rows.data, optimizer: try optimizer.named(defaults),
            stepCount: optimizer.steps ?? defaults.steps, batchSize: optimizer.batch ?? defaults.batch, seed: optimizer.seed)
        foldCount = data.folds
        evaluationBatchSize = defaults.evaluationBatch
    }
}
