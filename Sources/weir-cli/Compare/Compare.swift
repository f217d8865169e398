import ArgumentParser
import Weir

struct Compare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train the same network with every strategy on this machine, and compare them in a table and a picture.",
        discussion: """
            Each training has server processes of its own, and is tested on rows that it has not seen: the first of --folds parts. \
            A strategy that does not suit a cluster is listed with the reason. The numbers, and a picture of one step of each \
            strategy, are left in --out.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var data: DataOptions
    @Option(help: ArgumentHelp("Strategies to compare: single,sync. Default: all that need no option that is not given.", valueName: "LIST")) var strategies:
        String?
    @Option(
        help: ArgumentHelp(
            "Where to train: local:JOBS starts servers; cpu=N or gpu=N is in this process, GPUs simulated (default: \(Compare.defaultClusters)).",
            valueName: "LIST"))
    var clusters: String?
    @Option(help: ArgumentHelp("In place of --clusters: JSON or @FILE names a cluster that runs.", valueName: "CLUSTER")) var cluster: String?
    @OptionGroup var devices: DeviceOptions
    @OptionGroup var split: SplitOptions
    @OptionGroup var optimizer: OptimizerOptions
    @Option(help: "Where compare.svg and compare.json go.") var out = "weir-compare"
    @Flag(help: "Print one JSON object a line, one for each training.") var json = false

    /// Where every strategy applies somewhere.
    private static let defaultClusters = "local:ps=1,worker=2;gpu=2"

    func validate() throws {
        guard cluster == nil || clusters == nil else { throw ValidationError("--cluster is in place of --clusters; found both") }
        let names = try names()
        try usage {
            try StrategyCatalog.check(split.arguments, for: names, option: "--strategies")
            for name in names { _ = try StrategyCatalog.strategy(name, split.arguments, option: "--strategies") }
        }
        if cluster == nil { _ = try places() }
    }

    func run() async throws {
        let options = try TrainingOptions(model, data.rows(model.defaults), data, optimizer)
        let trainings = try trainings(options)
        guard trainings.contains(where: { $0.refusal == nil }) else {
            let reasons = trainings.map { "\($0.strategy.name), \($0.label): \($0.refusal?.message ?? "")" }
            throw ValidationError("No strategy applies: \(reasons.joined(separator: "; "))")
        }
        try OutputFile.prepare(out, files: ["compare.svg", "compare.json"])
        let reporter = ComparisonReporter(json: json, count: trainings.count, stepCount: options.stepCount)
        if let notice = optimizer.notice(of: options.batchSize, model.defaults) { reporter.event(.notice(notice)) }
        // Trainings that have ended before a signal are shown.
        let (result, isCancelled) = try await untilTerminated { await Compare.run(trainings, reporter) }
        let comparison = try result.get()
        try show(comparison)
        if isCancelled {
            throw Status.cancelled("The comparison was cancelled by a signal after \(comparison.entries.count) of \(trainings.count) trainings")
        }
        let failed = comparison.entries.filter { $0.failure != nil }
        guard failed.isEmpty else {
            throw Status.unknown(
                "\(failed.count) of \(trainings.count) trainings failed: \(failed.map { "\($0.strategy), \($0.cluster)" }.joined(separator: "; "))")
        }
    }

    private static func run(_ trainings: [ComparedTraining], _ reporter: ComparisonReporter) async -> StrategyComparison {
        var comparison = StrategyComparison()
        for (index, training) in trainings.enumerated() where !Task.isCancelled {
            reporter.begin(training, number: index + 1)
            let entry = await training.run { reporter.event($0) }
            // A training that was cancelled says nothing of its strategy.
            if Task.isCancelled, entry.failure != nil { break }
            reporter.end(entry)
            comparison.entries.append(entry)
        }
        return comparison
    }

    private func show(_ comparison: StrategyComparison) throws {
        let (picture, numbers) = ("\(out)/compare.svg", "\(out)/compare.json")
        if !json {
            Terminal.line("")
            Terminal.line(comparison.table)
            Terminal.line("")
            for line in table([["picture of a step of each", picture], ["numbers", numbers]]) { Terminal.line(line) }
        }
        try writeFile(picture, comparison.svg)
        try writeFile(numbers, comparison.json)
    }

    /// All trainings, in the order of the places and then of the strategies. What does not use the cluster is trained once for the same
    /// devices.
    private func trainings(_ options: TrainingOptions) throws -> [ComparedTraining] {
        let chosen = try names().map { name in
            var training = options
            try usage { try training.setStrategy(name, split.arguments, option: "--strategies") }
            return training
        }
        var seen: Set<[String]> = []
        var trainings: [ComparedTraining] = []
        for place in try places() {
            for options in chosen {
                let training = try ComparedTraining(options, at: place)
                if seen.insert([options.strategy.name, training.label]).inserted { trainings.append(training) }
            }
        }
        return trainings
    }

    private func names() throws -> [String] {
        try strategies.map { try fields("--strategies", $0, eachOnce: true) } ?? StrategyCatalog.names(with: split.arguments)
    }

    private func places() throws -> [ComparedPlace] {
        let devices = try devices.count()
        if let cluster { return [ComparedPlace(try ClusterSpec(option: cluster), devices: devices)] }
        let texts = try fields("--clusters", clusters ?? Compare.defaultClusters, separator: ";", eachOnce: true)
        return try texts.map { try ComparedPlace($0, devices: devices) }
    }
}
