import ArgumentParser
import Glibc
import Weir

struct Train: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network on a cluster or in this process.",
        discussion: """
            Draws a progress bar on a terminal and plain lines on a pipe; --json prints one object a line. Event files for \
            TensorBoard and a picture of the loss are left in --out.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var data: DataOptions
    @OptionGroup var clusterOptions: ClusterOptions
    @OptionGroup var strategy: StrategyOptions
    @OptionGroup var optimizer: OptimizerOptions
    @OptionGroup var trace: TraceOptions
    @Option(help: "Where event files, the loss curve and the picture of a step go.") var out = "weir-run"
    @Flag(help: "Print one JSON object a line.") var json = false

    func run() async throws {
        let options = try trainingOptions()
        let (spec, local) = try clusterOptions.start(for: strategy.strategy)
        let reporter: TrainingReporter
        do {
            reporter = try TrainingReporter(
                json: json, stepCount: options.stepCount, foldCount: options.foldCount, directory: out, ledger: strategy.ledger, trace: trace.trace,
                strategy: strategy.strategy)
        } catch {
            local?.end()
            throw error
        }
        let validation = CrossValidation(options, cluster: spec) { reporter.event($0) }
        // Ctrl-C ends the training and the local servers.
        let end = try TerminationRequest()
        let training = Task { try await validation.run(asWorker: clusterOptions.task) }
        let watch = Task {
            await end.wait()
            training.cancel()
        }
        let result = await training.result
        let isCancelled = training.isCancelled
        watch.cancel()
        local?.end()
        switch result {
        case .success(let report): try reporter.finish(report)
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }

    private func trainingOptions() throws -> TrainingOptions {
        let defaults = model.defaults
        let table = try data.table(defaults)
        var options = TrainingOptions(
            try model.graph(for: table, seed: optimizer.seed), table: table, strategy: try strategy.named(), optimizer: try optimizer.named(defaults),
            stepCount: optimizer.steps ?? defaults.steps, batchSize: optimizer.batch ?? defaults.batch, seed: optimizer.seed)
        options.foldCount = data.folds
        try strategy.split.apply(to: &options)
        try trace.apply(to: &options)
        options.devices = try clusterOptions.devices.scopes()
        if clusterOptions.cluster == nil { options.localDevices = try clusterOptions.devices.local() }
        return options
    }
}
