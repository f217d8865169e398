import ArgumentParser
import Weir

/// The options of one training, wherever it runs: those of `weir train`, and those that a sweep tries.
struct TrainingArguments: ParsableArguments {
    @OptionGroup var model: ModelOptions
    @OptionGroup var data: DataOptions
    @OptionGroup var strategy: StrategyOptions
    @OptionGroup var optimizer: OptimizerOptions
    @Option(parsing: .unconditional, help: "Updates from one evaluation on held-out rows to the next (default: at the end only).") var evaluateEvery: Int?

    func validate() throws {
        try require("--evaluate-every", evaluateEvery, in: OptionRange.steps)
        _ = try optimizer.named(model.defaults)
    }

    /// The training that the options describe.
    /// - Parameters:
    ///   - devices: the devices that compute.
    ///   - isHere: whether they are of this process, not of servers.
    ///   - rows: the rows that the options name, if they are read already.
    func options(devices: DeviceOptions, isHere: Bool, rows: TrainingRows? = nil) throws -> TrainingOptions {
        var options = try TrainingOptions(model, rows ?? data.rows(model.defaults), data, optimizer)
        try strategy.apply(to: &options)
        options.evaluationInterval = evaluateEvery
        options.devices = try devices.scopes()
        if isHere { options.localDevices = try devices.local() }
        return options
    }
}

extension TrainingOptions {
    /// A training of a network on rows, where options that are not given have the values that suit the network.
    /// - Throws: `ValidationError` when the options do not fit the rows, or there are too few for a batch or for the folds.
    init(_ model: ModelOptions, _ rows: TrainingRows, _ data: DataOptions, _ optimizer: OptimizerOptions) throws {
        let defaults = model.defaults
        guard rows.data.isDivided || data.folds <= rows.data.rowCount else {
            throw ValidationError("--folds must be at most \(rows.data.rowCount), the number of rows, found \(data.folds)")
        }
        let rowCount = rows.data.trainingRowCount(of: data.folds)
        if let batch = optimizer.batch, batch > rowCount {
            throw ValidationError("--batch must be at most \(rowCount), the number of rows to train on of \(rows.data.rowCount), found \(batch)")
        }
        self.init(
            try model.graph(for: rows, seed: optimizer.seed), data: rows.data, optimizer: try optimizer.named(defaults),
            stepCount: optimizer.steps ?? defaults.steps, batchSize: optimizer.batchSize(defaults, rowCount: rowCount), seed: optimizer.seed)
        foldCount = data.folds
        evaluationBatchSize = defaults.evaluationBatch
    }
}
