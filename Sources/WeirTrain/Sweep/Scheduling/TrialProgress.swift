import WeirTensor

/// What has become of a trial of a sweep.
struct TrialProgress: Hashable, Sendable {
    enum Phase: Hashable, Sendable {
        /// A run has started, and nothing is known of its end.
        case running
        /// Its server was lost, or the sweep was interrupted: the job is to be run again.
        case interrupted
        /// The latest job ended, with this value of the objective.
        case ended(Double)
        case failed(Status)
    }

    let number: Int
    let configuration: [String: ParameterValue]
    /// The latest job.
    var job: SearchJob
    var phase = Phase.running
    /// The number of runs.
    var attemptCount = 1
    /// The number of runs of the latest job whose server was lost.
    var lossCount = 0
    /// The server of the latest run.
    var server: String
    /// The reports, by ascending step.
    var history: [TrialReport] = []
    /// The latest report with a checkpoint.
    var checkpointed: TrialReport?
    /// The time of all runs that ended.
    var seconds = 0.0

    init(_ job: SearchJob, server: String, configuration: [String: ParameterValue]) {
        number = job.trial
        self.job = job
        self.server = server
        self.configuration = configuration
    }

    /// Goes on with a job, from the checkpoint. Reports after it are forgotten: they will be made again.
    mutating func restart(_ job: SearchJob, server: String) {
        if job != self.job { lossCount = 0 }
        self.job = job
        self.server = server
        phase = .running
        attemptCount += 1
        history.removeAll { $0.step > checkpointed?.step ?? 0 }
    }

    /// Adds a report.
    /// - Returns: the checkpoint that it supersedes.
    mutating func add(_ report: TrialReport) -> String? {
        // A report at the end may repeat the one of its step.
        history.removeAll { $0.step >= report.step }
        history.append(report)
        guard let checkpoint = report.checkpoint else { return nil }
        defer { checkpointed = report }
        return checkpointed?.checkpoint == checkpoint ? nil : checkpointed?.checkpoint
    }

    /// Forgets the checkpoint.
    /// - Returns: its path.
    mutating func dropCheckpoint() -> String? {
        defer { checkpointed = nil }
        return checkpointed?.checkpoint
    }
}
