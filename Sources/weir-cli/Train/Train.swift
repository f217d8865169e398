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
    @OptionGroup var trace: TraceOptions
    @Option(help: "Where event files, the loss curve and the picture of a step go.") var out = "weir-run"
    @Flag(help: "Print one JSON object a line.") var json = false

    func run() async throws {
        var options = try training.options(devices: clusterOptions.devices, isHere: clusterOptions.cluster == nil)
        options.checkpoint = checkpoints.parsed()
        options.runName = clusterOptions.runName
        try trace.apply(to: &options)
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
        let validation = CrossValidation(options, cluster: spec) { reporter.event($0) }
        let task = clusterOptions.task
        let (result, isCancelled) = try await untilTerminated { try await validation.run(asWorker: task) }
        local?.end()
        switch result {
        case .success(let report): try reporter.finish(report)
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }
}
