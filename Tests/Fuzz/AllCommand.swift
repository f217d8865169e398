import ArgumentParser

/// Runs every kind of case, one after the other.
struct AllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Every kind of case, for a number of cases or a time.")
    @Option(help: "How many cases of all kinds but graphs there are altogether.") var cases: Int?
    @Option(help: "How long all kinds may take altogether.") var seconds: Double?
    @Option(help: "How much of that, or how long beside --cases, goes to graphs.") var graphSeconds: Double?
    @Option(help: "Decides every case; chosen and printed when not given.") var seed: UInt64?
    @Option(help: "How many processes run cases at once.") var jobs = 2

    /// The kinds and their percentages of the cases and of the time. Cases over a port take longer.
    private static let kinds: [(cases: Double, time: Double, run: @Sendable (FuzzOptions) throws -> Int)] = [
        (40, 25, { try watch(OpsFuzzer.self, $0) }),
        (17, 6, { try watch(FilesFuzzer.self, $0) }),
        (8, 4, { try watch(DataFilesFuzzer.self, $0) }),
        (12, 15, { try watch(DefinitionsFuzzer.self, $0) }),
        (13, 15, { try watch(MessagesFuzzer.self, $0) }),
        (3, 5, { try watch(HeadersFuzzer.self, $0) }),
        (7, 5, { try watch(LinksFuzzer.self, $0) }),
    ]

    private static func watch<Kind: FuzzKind>(_ kind: Kind.Type, _ options: FuzzOptions) throws -> Int {
        var watch = FuzzWatch<Kind>(options: options, extra: [])
        return try watch.run()
    }

    func run() async throws {
        let seed = seed ?? UInt64.random(in: 0 ... .max)
        var findings = 0
        func options(_ limits: String...) throws -> FuzzOptions { try FuzzOptions.parse(["--seed", "\(seed)", "--jobs", "\(jobs)"] + limits) }
        let forGraphs = graphSeconds ?? seconds.map { $0 * 0.25 }
        for kind in AllCommand.kinds {
            if let cases {
                findings += try kind.run(options("--cases", "\(Int(Double(cases) * kind.cases / 100))"))
            } else {
                findings += try kind.run(options("--seconds", "\(((seconds ?? 600) - (forGraphs ?? 0)) * kind.time / 75)"))
            }
        }
        if let forGraphs { findings += try AllCommand.watch(GraphsFuzzer.self, options("--seconds", "\(forGraphs)")) }
        if findings > 0 { throw ExitCode(1) }
    }
}
