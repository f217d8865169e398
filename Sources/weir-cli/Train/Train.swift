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
    @Option(
        parsing: .unconditional,
        help: "Of --folds, how many are held out, each in a training of its own (default: all; \(NamedModels.defaults { $0.trainedFolds.map { "\($0)" } })).")
    var trainedFolds: Int?
    @Option(help: "Where event files, the loss curve and the picture of a step go.") var out = "weir-run"
    @Flag(help: "Print one JSON object a line.") var json = false
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The least time between two steps that are printed (default: \(TrainingReporter.jsonInterval) with --json, else "
                + "\(TrainingReporter.lineInterval), on a terminal \(TrainingReporter.barInterval)); 0 prints each. The last step is always printed.",
            valueName: "SECONDS"))
    var progressEvery: Double?

    func validate() throws {
        try require("--progress-every", progressEvery, in: 0...OptionRange.seconds.upperBound)
        try require("--trained-folds", trainedFolds, in: 1...max(1, training.data.folds))
        guard clusterOptions.cluster != nil, training.strategy.strategy == SingleDevice.strategyName else { return }
        let others = StrategyCatalog.names.filter { $0 != SingleDevice.strategyName }.joined(separator: ", ")
        throw ValidationError(
            "--cluster needs a --strategy that trains on servers, of \(others); found \(SingleDevice.strategyName), which trains in this process")
    }

    func run() async throws {
        var options = try training.options(devices: clusterOptions.devices, isHere: clusterOptions.cluster == nil)
        options.checkpoint = checkpoints.parsed()
        options.recovery = recovery.parsed()
        options.runName = clusterOptions.runName
        guard trainedFolds == nil || !options.data.isDivided else {
            throw Status.invalidArgument("--trained-folds is for rows that are cut into folds; found --data that is divided already")
        }
        options.trainedFoldCount = trainedFolds ?? training.model.defaults.trainedFolds.map { min($0, options.foldCount) }
        if let wait = clusterOptions.wait { options.startTimeout = .seconds(wait) }
        try trace.apply(to: &options)
        try export.apply(to: &options)
        let model = training.model.named
        if model?.showsResults ?? false { options.returnsParameters = true }
        let recorder = summaries.map {
            TrainingSummaries(directory: $0, hyperparameters: hyperparameters(options), metrics: options.model.metrics.keys.sorted())
        }
        if recorder != nil {
            options.reportsDetails = true
            // Weights and metrics are recorded at evaluations; without an interval there is one, at the end.
            options.evaluationInterval = options.evaluationInterval ?? options.stepCount
        }
        // What can be wrong with the options is found before anything starts.
        let planned = try clusterOptions.planned()
        try usage { try CrossValidation(options, cluster: planned).prepare(asWorker: clusterOptions.task) }
        try OutputFile.prepare(out, files: ["loss.svg", "step.svg"])
        if let summaries { try OutputFile.prepare(summaries, option: "--summaries") }
        let (spec, local) = try clusterOptions.start()
        let reporter: TrainingReporter
        do {
            reporter = try TrainingReporter(
                json: json, interval: progressEvery, stepCount: options.stepCount, foldCount: options.trainingCount, directory: out,
                ledger: training.strategy.ledger,
                trace: trace.trace, strategy: training.strategy.strategy)
        } catch {
            local?.end()
            throw error
        }
        if let notice = task(of: options) { reporter.event(.notice(notice)) }
        if let notice = training.optimizer.notice(of: options.batchSize, training.model.defaults) { reporter.event(.notice(notice)) }
        let validation = CrossValidation(options, cluster: spec) { event in
            recorder?.record(event)
            reporter.event(event)
        }
        let task = clusterOptions.task
        let (result, isCancelled) = try await untilTerminated { try await validation.run(asWorker: task) }
        local?.end(isUrgent: isCancelled)
        let succeeded = if case .success = result { true } else { false }
        do { try recorder?.close(succeeded: succeeded) } catch { reporter.event(.notice("--summaries: the event files are incomplete: \(error.message)")) }
        switch result {
        case .success(let report):
            // The report is shown also if the model cannot be written.
            // Of several processes, the chief writes it.
            let isChief = clusterOptions.task ?? 0 == 0
            let written = Result { isChief ? try export.write(report, options) : [] }
            for file in (try? written.get()) ?? [] { reporter.wrote(file.what, file.path) }
            var failure: (any Error)?
            do { if isChief { try await show(model, report, options, reporter) } } catch { failure = error }
            try reporter.finish(report)
            _ = try written.get()
            if let failure { throw failure }
            if let failure = report.folds.compactMap(\.saveFailure).last { throw failure }
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }

    /// What is said of the labels, where what they are was not plain.
    private func task(of options: TrainingOptions) -> String? {
        switch options.data {
        case .standardized(let rows) where options.model.inputs["targets"] != nil:
            let name = rows.columns.first { $0.name == "targets" }?.elementNames?.first ?? "targets"
            let hint = training.data.regression || name == "targets" ? "" : "; --classification takes each for a class"
            return "a regression: predicts the numbers of column '\(name)'; error is the mean squared error as a share of their variance\(hint)"
        case .table(let table) where !training.data.classification && table.targets != nil && table.classes.count > max(20, table.rowCount / 10):
            let name = table.columns.last ?? ""
            return "found \(table.classes.count) different numbers in column '\(name)', and takes each for a class; --regression predicts them"
        case .table, .dataset, .standardized, .divided: return nil
        }
    }

    /// Shows what the model of the last fold makes, and writes its files.
    private func show(_ model: (any NamedModel)?, _ report: CrossValidationReport, _ options: TrainingOptions, _ reporter: TrainingReporter) async throws {
        guard let model, model.showsResults, let fold = report.folds.last else { return }
        let number = report.folds.count - 1
        let trained = TrainedModel(
            graph: options.model, values: fold.parameters,
            test: try options.data.fold(number, of: options.foldCount, seed: UInt64(bitPattern: Int64(options.seed))).test,
            standardization: try Standardization(options.data, fold: number, of: options.foldCount, seed: options.seed), seed: options.seed)
        for result in try await model.results(of: trained, training.model) {
            switch result {
            case .text(let title, let text): reporter.show(title, text)
            case .file(let title, let name, let contents):
                let path = FileSystem.join(out, name)
                try AtomicFile.write(contents, to: path)
                reporter.wrote(title, path)
            }
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
