public import WeirTensor
import WeirWire

/// The result of a sweep.
public struct SweepResult: Hashable, Sendable {
    /// What was looked for.
    public let objective: SweepObjective
    /// The hyper-parameters, in the specification's order.
    public let parameters: [SweepParameter]
    /// The trials, best first: those of a higher rung, then those with a better objective; those that failed are last.
    public let trials: [SweptTrial]
    /// How the servers' time was used.
    public let servers: [ServerUsage]
    /// The time of the sweep, since it was last started.
    public let seconds: Double

    /// The best trial; nil when all failed.
    public var best: SweptTrial? { trials.first { $0.value != nil } }
    /// The share of the servers' time in which they ran trials, of the time in which they were not lost: from 0 to 1.
    public var busyShare: Double { ServerUsage.busyShare(servers) }
    /// Whether all trials had ended when the sweep was last started, so that the servers ran none.
    public var hadNothingToRun: Bool { servers.allSatisfy { $0.runCount == 0 } }

    var parameterNames: [String] { parameters.map(\.name) }

    init(_ progress: SweepProgress, _ servers: [ServerUsage], _ time: Duration) {
        objective = progress.specification.objective
        parameters = progress.specification.parameters
        trials = progress.trials.sorted(by: progress.isBetter).map { SweptTrial($0) }
        self.servers = servers
        seconds = time.seconds
    }

    /// The names of the files that `write` writes.
    package static let fileNames = ["results.csv", "results.json", "learning-curves.svg", "parallel.svg"]

    /// Writes `results.csv`, `results.json`, `learning-curves.svg` and `parallel.svg` to a folder.
    /// - Throws: the error of a file that cannot be written.
    public func write(to directory: String) throws(Status) {
        try FileSystem.createDirectory(directory)
        for (name, text) in zip(SweepResult.fileNames, [csv, jsonText + "\n", learningCurves.svg, parallelCoordinates.svg]) {
            try AtomicFile.write(Array(text.utf8), to: FileSystem.join(directory, name))
        }
    }
}
