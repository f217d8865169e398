import ArgumentParser
import Weir

struct EnsembleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ensemble",
        abstract: "Train different networks on different rows, and combine them into one model.",
        discussion: """
            Each member trains on a part of the rows of its own, on a server or in this process, all at the same time. Members and \
            combinations are tested on the same held-out fold. One model of all members is written, a SavedModel: weir predict and TensorFlow read it.
            """)

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("The networks: dnn, dnn:16,16 with the units of its hidden layers, cnn, transformer.", valueName: "MODEL"))
    var members: [String] = ["dnn:16,16", "cnn", "transformer"]
    @Option(help: "Combinations to test, of average, vote and stacking.") var combine = "average,vote,stacking"
    @Option(help: "What the written model computes: average or stacking.") var serve = "average"
    @OptionGroup var data: DataOptions
    @OptionGroup var optimizer: OptimizerOptions
    @OptionGroup var devices: DeviceOptions
    @OptionGroup var places: TrainingServerOptions
    @Option(help: "Where checkpoints and the model go.") var out = "weir-ensemble"
    @Option(help: ArgumentHelp("Where the model goes (default: model in the folder of --out).", valueName: "DIR")) var export: String?
    @Flag(help: "Print one JSON object a line.") var json = false

    func validate() throws {
        for network in try networks() { _ = try optimizer.named(network.defaults) }
        _ = try (methods(), method(serve, "--serve"))
    }

    func run() async throws {
        let networks = try networks(), methods = try methods(), served = try method(serve, "--serve")
        let defaults = networks.map(\.defaults)
        // Images are rows that all networks take.
        guard let rows = defaults.first(where: { $0.data == "digits" }) ?? defaults.first else {
            throw ValidationError("--members must name at least one network, found none")
        }
        let table = try data.table(rows)
        let rowCount = EnsembleTrainer.partRowCount(
            of: table, folds: data.folds, members: members.count, isStacked: methods.contains(.stacking) || served == .stacking)
        let described = try zip(members, networks).enumerated().map { index, entry in
            try member(entry.0, entry.1, table, rowCount, seed: optimizer.seed &+ index)
        }
        let reporter = EnsembleReporter(json: json, described)
        func trainer(_ servers: [SweepServer]) throws -> EnsembleTrainer {
            var trainer = EnsembleTrainer(described, table: table, directory: out, methods: methods, served: served, servers: servers) {
                reporter.event($0, $1)
            }
            trainer.foldCount = data.folds
            trainer.modelDirectory = export
            trainer.seed = optimizer.seed
            trainer.devices = try devices.scopes()
            return trainer
        }
        // What can be wrong with the options is found before anything starts.
        try usage { try trainer([]).check() }
        try OutputFile.prepare(out)
        try trainer([]).prepare()
        let (servers, local) = try places.start(devices, slotCount: max(1, members.count))
        defer { local?.end() }
        for (index, member) in described.enumerated() {
            if let notice = optimizer.notice(of: member.batchSize, defaults[index]) { reporter.event(index, .notice(notice)) }
        }
        let placed = try trainer(servers)
        let (result, isCancelled) = try await untilTerminated { try await placed.run() }
        reporter.endLine()
        switch result {
        case .success(let report): reporter.finish(report)
        case .failure(let error):
            if isCancelled { throw Status.cancelled("The ensemble was cancelled by a signal") }
            throw Status(error)
        }
    }

    private func networks() throws -> [ModelOptions] { try members.map(ModelOptions.init(member:)) }

    private func methods() throws -> [EnsembleMethod] { try fields("--combine", combine, eachOnce: true).map { try method($0, "--combine") } }

    private func member(_ name: String, _ options: ModelOptions, _ table: Table, _ rowCount: Int, seed: Int) throws -> EnsembleMember {
        let defaults = options.defaults
        return EnsembleMember(
            name, try options.graph(for: table, seed: seed), optimizer: try optimizer.named(defaults), stepCount: optimizer.steps ?? defaults.steps,
            batchSize: optimizer.batchSize(defaults, rowCount: rowCount))
    }

    private func method(_ name: String, _ option: String) throws -> EnsembleMethod {
        guard let method = EnsembleMethod(rawValue: name) else {
            let known = EnsembleMethod.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\(option) must be of \(known), found '\(name)'")
        }
        return method
    }
}

extension ModelOptions {
    /// The options of a member: the model, and after a colon the units of its hidden layers.
    fileprivate init(member text: String) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let kinds = NamedModels.all.filter(\.isClassifier).map(\.name)
        guard kinds.contains(parts[0]) else {
            throw ValidationError("--members must be \(kinds.joined(separator: ", ")), as dnn:16,16; found '\(text)'")
        }
        do { self = try ModelOptions.parse(["--model=\(parts[0])"] + parts.dropFirst().map { "--hidden=\($0)" }) } catch {
            throw ValidationError("--members: '\(text)': \(ModelOptions.message(for: error))")
        }
    }
}
