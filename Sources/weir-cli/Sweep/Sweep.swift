import ArgumentParser
import Glibc
import Weir

struct Sweep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try many configurations of a training, and rank them.",
        discussion: """
            FILE is JSON: base options and parameters by the names of weir train's options, a search (grid, random, halving, asha) and an \
            objective, such as test_accuracy. Each trial trains on one server, or in this process. What is done is kept in --out: the same \
            command goes on where it stopped. There are also results.csv, results.json, learning-curves.svg and parallel.svg at the end.
            """)

    @Argument(help: "The specification.") var file: String
    @OptionGroup var places: TrainingServerOptions
    @Option(help: "Where the journal, the checkpoints and the results go.") var out = "weir-sweep"
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Seconds to wait for a server to come back when all are lost, before the sweep ends.", valueName: "SECONDS"))
    var wait = 3.0
    @Flag(help: "Print one JSON object a line: one for each end of a trial, and the result.") var json = false

    func validate() throws { try require("--wait", wait, in: 0...OptionRange.wait.upperBound) }

    func run() async throws {
        let specification = try SweepSpecification(contentsOf: file)
        let isHere = places.cluster == nil
        let notices: [String]
        do throws(Status) { notices = try SweptArguments.check(specification, isHere: isHere) } catch { throw Status(error.code, "\(file): \(error.message)") }
        try OutputFile.prepare(out, files: SweepResult.fileNames)
        let devices = specification.base["devices"].map { ["devices": $0] } ?? [:]
        let (servers, local) = try places.start(SweptArguments(devices).devices, slotCount: max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
        var isCancelled = false
        defer { local?.end(isUrgent: isCancelled) }
        let reporter = SweepReporter(json: json, specification, serverCount: servers.count)
        for notice in notices { reporter.event(.notice(notice)) }
        try local?.whenServerEnded { name, pid, how in reporter.event(.notice("\(name) (pid \(pid)) \(how)")) }
        let runner = TrainingTrialRunner { configuration in
            let arguments = try SweptArguments(configuration)
            return try arguments.training.options(devices: arguments.devices, isHere: isHere)
        }
        let scheduler = SweepScheduler(specification, servers: servers, runner: runner, directory: out, patience: .seconds(wait)) { reporter.event($0) }
        let result: Result<SweepResult, any Error>
        (result, isCancelled) = try await untilTerminated { try await scheduler.run() }
        reporter.endLine()
        switch result {
        case .success(let found): try finish(found, reporter)
        case .failure(let error):
            let status = Status(error)
            // Those after which the same command goes on.
            throw [.cancelled, .unavailable].contains(status.code) ? Status(status.code, "\(status.message): \(command)") : status
        }
    }

    private func finish(_ result: SweepResult, _ reporter: SweepReporter) throws {
        try result.write(to: out)
        reporter.finish(result, directory: out)
        guard result.best != nil else {
            throw Status.failedPrecondition("all \(result.trials.count) trials failed, the first with: \(result.trials.first?.failure?.message ?? "")")
        }
    }

    /// The command that goes on with the sweep.
    private var command: String {
        var words = ["weir sweep", file, "--out", out]
        if let cluster = places.cluster { words += ["--cluster", "'\(cluster)'"] }
        if let slots = places.slots { words += ["--slots", "\(slots)"] }
        return words.joined(separator: " ")
    }
}
