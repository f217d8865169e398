import WeirTensor

/// The state of a sweep, without servers: what has become of each trial, and what is to be done.
///
/// It changes by records only. A sweep that goes on and one that is read from its journal change in the same way, so that both choose
/// the same.
struct SweepProgress: Sendable {
    let specification: SweepSpecification
    private var search: any SearchAlgorithm
    /// By number.
    private(set) var trials: [TrialProgress] = []
    /// The trials whose job is to be run again, in the order in which they were interrupted.
    private(set) var interrupted: [Int] = []
    /// The trials that the search will not choose again and that have a checkpoint, best first; at most as many as are kept.
    private var kept: [Int] = []
    private(set) var runningCount = 0

    init(_ specification: SweepSpecification) {
        self.specification = specification
        search = specification.search()
    }

    /// What the search would do next. Interrupted trials go first.
    var next: SearchDecision { search.next }

    /// Changes the state.
    /// - Returns: the checkpoints that nothing will need.
    /// - Throws: `dataLoss` when the record does not follow from those before.
    mutating func apply(_ record: SweepRecord) throws(Status) -> [String] {
        switch record {
        case .started(let job, let server, let configuration):
            try start(job, server, configuration)
            return []
        case .reported(let trial, let report):
            try checkRunning(trial, "a report")
            return trials[trial].add(report).map { [$0] } ?? []
        case .ended(let trial, let report, let seconds):
            try checkRunning(trial, "an end")
            guard let value = report.metrics[specification.objective.metric], value.isFinite else {
                throw .dataLoss("trial \(trial) ended without a finite '\(specification.objective.metric)'")
            }
            var superseded = trials[trial].add(report).map { [$0] } ?? []
            stop(trial, .ended(value), seconds)
            superseded += settle(search.end(trials[trial].job, loss: specification.objective.loss(value)))
            return superseded
        case .lost(let trial, _, _, let seconds):
            try checkRunning(trial, "a loss")
            trials[trial].lossCount += 1
            stop(trial, .interrupted, seconds)
            interrupted.append(trial)
            return []
        case .failed(let trial, let status, let seconds):
            try checkRunning(trial, "a failure")
            stop(trial, .failed(status), seconds)
            return settle(search.end(trials[trial].job, loss: nil))
        }
    }

    private mutating func start(_ job: SearchJob, _ server: String, _ configuration: [String: ParameterValue]) throws(Status) {
        // A trial runs once at a time. So the process that ran it has ended, and a later one, which read the journal, begins it again.
        if trials.indices.contains(job.trial), trials[job.trial].phase == .running, trials[job.trial].job == job { interrupt(job.trial) }
        if let index = interrupted.firstIndex(of: job.trial), trials[job.trial].job == job {
            interrupted.remove(at: index)
            trials[job.trial].restart(job, server: server)
        } else {
            guard search.next == .start(job) else {
                throw .dataLoss("trial \(job.trial) starts in rung \(job.rung) until step \(job.steps), which the search has not chosen")
            }
            search.start(job)
            if job.trial == trials.count {
                trials.append(TrialProgress(job, server: server, configuration: configuration))
            } else {
                trials[job.trial].restart(job, server: server)
            }
        }
        runningCount += 1
    }

    private func checkRunning(_ trial: Int, _ event: String) throws(Status) {
        guard trials.indices.contains(trial), trials[trial].phase == .running else { throw .dataLoss("\(event) of trial \(trial), which does not run") }
    }

    private mutating func stop(_ trial: Int, _ phase: TrialProgress.Phase, _ seconds: Double) {
        trials[trial].phase = phase
        trials[trial].seconds += seconds
        runningCount -= 1
    }

    /// Takes it that no trial runs any more: the process that ran them has ended. Their jobs are to be run again.
    mutating func interruptAll() {
        for trial in trials.indices where trials[trial].phase == .running { interrupt(trial) }
    }

    private mutating func interrupt(_ trial: Int) {
        stop(trial, .interrupted, 0)
        interrupted.append(trial)
    }

    /// What a display shows of a sweep that goes on.
    var resumption: SweepEvent {
        var ended: [Int: Double] = [:]
        var failed: [Int] = []
        for trial in trials {
            switch trial.phase {
            case .ended(let value): ended[trial.number] = value
            case .failed: failed.append(trial.number)
            case .running, .interrupted: break
            }
        }
        return .resumed(ended: ended, failed: failed)
    }

    // MARK: Checkpoints

    /// Takes it that the search is done: only the checkpoints of the best trials are needed.
    /// - Returns: the other checkpoints.
    mutating func settleAll() -> [String] { settle(Array(trials.indices.filter { !kept.contains($0) })) }

    /// Takes it that the search does not choose these trials again.
    /// - Returns: the checkpoints that are not kept.
    private mutating func settle(_ settled: [Int]) -> [String] {
        var dropped: [String] = []
        for trial in settled where trials[trial].checkpointed != nil {
            var loser: Int? = trial
            if case .ended = trials[trial].phase {
                kept.insert(trial, at: kept.firstIndex { isBetter(trials[trial], trials[$0]) } ?? kept.count)
                loser = kept.count > specification.keep ? kept.removeLast() : nil
            }
            if let loser, let path = trials[loser].dropCheckpoint() { dropped.append(path) }
        }
        return dropped
    }

    /// Whether one trial is better than another: those that got to a higher rung are, then those with the better objective, then
    /// those with the lower number. Trials that failed are last.
    func isBetter(_ one: TrialProgress, _ other: TrialProgress) -> Bool { rank(one) < rank(other) }

    private func rank(_ trial: TrialProgress) -> (Int, Int, Double, Int) {
        switch trial.phase {
        case .ended(let value): (0, -trial.job.rung, specification.objective.loss(value), trial.number)
        case .running, .interrupted: (1, -trial.job.rung, 0, trial.number)
        case .failed: (2, 0, 0, trial.number)
        }
    }
}
