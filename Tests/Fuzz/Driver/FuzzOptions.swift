import ArgumentParser

struct FuzzOptions: ParsableArguments {
    @Option(help: "How many cases to run; without a limit when only --seconds is given.") var cases: Int?
    @Option(help: "How long to run.") var seconds: Double?
    @Option(help: "Decides every case; chosen and printed when not given.") var seed: UInt64?
    @Option(help: "The number of the first case.") var from = 0
    @Option(help: "How many processes run cases at once.") var jobs = 1
    @Flag(help: "Say what each case is before it runs.") var explain = false
    @Flag(help: "Print the backtrace of a process that a case ends.") var backtrace = false

    // Options that the watcher passes to child processes.
    @Flag(help: .private) var child = false
    @Option(help: .private) var stride = 1
    @Option(help: .private) var window = 32
}

extension AsyncParsableCommand {
    /// Runs cases of a kind: in this process if it is a child, else in child processes that it watches.
    func fuzz<Kind: FuzzKind>(_ kind: Kind.Type, _ options: FuzzOptions, extra: [String] = []) async throws {
        if options.child { return try await FuzzChild(options: options).run(kind) }
        var watch = FuzzWatch<Kind>(options: options, extra: extra)
        let findings = try watch.run()
        if findings > 0 { throw ExitCode(1) }
    }
}

/// The subcommand of a kind without additional options.
struct KindCommand<Kind: FuzzKind>: AsyncParsableCommand {
    static var configuration: CommandConfiguration { CommandConfiguration(commandName: Kind.name, abstract: Kind.abstract) }
    @OptionGroup var options: FuzzOptions

    func run() async throws { try await fuzz(Kind.self, options) }
}
