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

    @OptionGroup var training: TrainingArguments
    @OptionGroup var clusterOptions: ClusterOptions
    @OptionGroup var checkpoints: CheckpointOptions
    @OptionGroup var recovery: RecoveryOptions
    @OptionGroup var trace: TraceOptions
    @OptionGroup var export: ExportOptions
    @Option(
        help: ArgumentHelp(
            "Write event files for TensorBoard with loss, metrics, speed, weights, graph and hyper-parameters, a run for each fold.", valueName: "DIR"))
    var summaries: String?
    @Option(help: "Where event files, the loss curve and the picture of a step go.") var out = "weir-run"
    @Flag(help: "Print one JSON object a line.") var json = false

    func run() async throws {
        var options = try training.options(devices: clusterOptions.devices, isHere: clusterOptions.cluster == nil)
        options.checkpoint = checkpoints.parsed()
        options.recovery = recovery.parsed()
        options.runName = clusterOptions.runName
        try trace.apply(to: &options)
        try export.apply(to: &options)
        let recorder = summaries.map { TrainingSummaries(directory: $0, hyperparameters: hyperparameters(options)) }
        if recorder != nil {
            options.reportsDetails = true
            // Weights and metrics are recorded at evaluations; without an interval there is one, at the end.
            options.evaluationInterval = options.evaluationInterval ?? options.stepCount
        }
        let (spec, local) = try clusterOptions.start(for: options.strategy)
        let reporter: TrainingReporter
        do {
            reporter = try TrainingReporter(
                json: json, stepCount: options.stepCount, foldCount: options.data.isDivided ? 1 : options.foldCount, directory: out,
                ledger: training.strategy.ledger,
                trace: trace.trace, strategy: training.strategy.strategy)
        } catch {
            local?.end()
            throw error
        }
        let validation = CrossValidation(options, cluster: spec) { event in
            recorder?.record(event)
            reporter.event(event)
        }
        let task = clusterOptions.task
        let (result, isCancelled) = try await untilTerminated { try await validation.run(asWorker: task) }
        local?.end()
        let succeeded = if case .success = result { true } else { false }
        do { try recorder?.close(succeeded: succeeded) } catch { reporter.event(.notice("--summaries: the event files are incomplete: \(error.message)")) }
        switch result {
        case .success(let report):
            // The report is shown also if the model cannot be written.
            // Of several processes, the chief writes it.
            let isChief = clusterOptions.task ?? 0 == 0
            let written = Result { isChief ? try export.write(report, options) : [] }
            for file in (try? written.get()) ?? [] { reporter.wrote(file.what, file.path) }
            try reporter.finish(report)
            _ = try written.get()
            if let failure = report.folds.compactMap(\.saveFailure).last { throw failure }
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }

    /// What tells this training from another, for TensorBoard's table of runs.
    private func hyperparameters(_ options: TrainingOptions) -> [String: HyperparameterValue] {
        let defaults = training.model.defaults
        return [
            "model": .text(training.model.model), "strategy": .text(training.strategy.strategy), "optimizer": .text(training.optimizer.name(defaults)),
            "learning_rate": .number(training.optimizer.rate(defaults)), "batch": .number(Double(options.batchSize)),
            "steps": .number(Double(options.stepCount)), "seed": .number(Double(options.seed)),
        ]
    }
}
