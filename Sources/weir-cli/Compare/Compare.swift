import ArgumentParser
import Weir

struct Compare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network, or several, with every strategy on this machine, and compare them in a table and a picture.",
        discussion: """
            Each training has server processes of its own, and is tested on rows that it has not seen: the first of --folds parts. \
            A strategy that does not suit a cluster is listed with the reason. The numbers, and a picture of one step of each \
            strategy, are left in --out.
            """)

    @OptionGroup var model: ModelOptions
    @Option(help: ArgumentHelp("In place of --model: networks, each with its own data and defaults, such as dnn,cnn.", valueName: "LIST"))
    var models: String?
    @OptionGroup var data: DataOptions
    @Option(help: ArgumentHelp("Strategies to compare: single,sync. Default: all that need no option that is not given.", valueName: "LIST")) var strategies:
        String?
    @Option(
        help: ArgumentHelp(
            "Where to train: local:JOBS starts servers; cpu=N or gpu=N is in this process, GPUs simulated unless the machine has as many (default: \(Compare.defaultClusters)).",
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
        _ = try networks()
        let names = try names()
        try usage {
            try StrategyCatalog.check(split.arguments, for: names, option: "--strategies")
            for name in names { _ = try StrategyCatalog.strategy(name, split.arguments, option: "--strategies") }
        }
        if cluster == nil { _ = try places() }
    }

    func run() async throws {
        let networks = try networks()
        let options = try networks.map { try TrainingOptions($0, data.rows($0.defaults), data, optimizer) }
        let trainings = try zip(networks, options).flatMap { network, options in
            try self.trainings(options, network: networks.count > 1 ? network.model : nil)
        }
        guard trainings.contains(where: { $0.refusal == nil }) else {
            let reasons = trainings.map { "\($0.name): \($0.refusal?.message ?? "")" }
            throw ValidationError("No strategy applies: \(reasons.joined(separator: "; "))")
        }
        try OutputFile.prepare(out, files: ["compare.svg", "compare.json"])
        let reporter = ComparisonReporter(json: json, count: trainings.count)
        for (network, options) in zip(networks, options) {
            if let notice = optimizer.notice(of: options.batchSize, network.defaults) { reporter.event(.notice(notice)) }
        }
        // Trainings that have ended before a signal are shown.
        let (result, isCancelled) = try await untilTerminated { await Compare.run(trainings, reporter) }
        let comparison = try result.get()
        try show(comparison)
        if isCancelled {
            throw Status.cancelled("The comparison was cancelled by a signal after \(comparison.entries.count) of \(trainings.count) trainings")
        }
        let failed = comparison.entries.filter { $0.failure != nil }
        guard failed.isEmpty else {
            let names = failed.map { [$0.network, $0.strategy, $0.cluster].compactMap { $0 }.joined(separator: ", ") }
            throw Status.unknown("\(failed.count) of \(trainings.count) trainings failed: \(names.joined(separator: "; "))")
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
    private func trainings(_ options: TrainingOptions, network: String?) throws -> [ComparedTraining] {
        let chosen = try names().map { name in
            var training = options
            try usage { try training.setStrategy(name, split.arguments, option: "--strategies") }
            return training
        }
        var seen: Set<[String]> = []
        var trainings: [ComparedTraining] = []
        for place in try places() {
            for options in chosen {
                let training = try ComparedTraining(options, network: network, at: place)
                if seen.insert([options.strategy.name, training.label]).inserted { trainings.append(training) }
            }
        }
        return trainings
    }

    /// The networks of `--models`, or the one of `--model`.
    private func networks() throws -> [ModelOptions] {
        guard let models else { return [model] }
        guard !model.isGiven else { throw ValidationError("--models is in place of --model and the options of one network; found both") }
        return try fields("--models", models, eachOnce: true).map { name in
            guard NamedModels.named(name) != nil else {
                throw ValidationError("--models must be of \(NamedModels.all.map(\.name).joined(separator: ", ")); found '\(name)'")
            }
            return try ModelOptions.parse(["--model=\(name)"])
        }
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
