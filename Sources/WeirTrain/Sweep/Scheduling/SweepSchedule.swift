import WeirTensor

/// Decides what runs where. A value without clocks, files and tasks: events go in; records for the journal and actions come out.
///
/// - No server has two runs at once, not even when it is lost and comes back while the run on it has not ended.
/// - A server that is idle gets a job in the same call that tells of the event that makes one possible.
/// - A trial whose server was lost goes to another server if one is left that is not lost.
struct SweepSchedule: Sendable {
    typealias RunID = ServerState.RunID

    enum Event: Sendable {
        case begin
        case reported(server: Int, RunID, TrialReport)
        /// The task of a run has ended.
        case ended(server: Int, RunID, Result<TrialReport, Status>)
        /// A server does not answer while it has this run.
        case lost(server: Int, RunID, reason: String)
        /// A lost server answers.
        case answers(server: Int)
        /// The time to wait for servers is over, unless one came back since.
        case patienceOver(Int)
        case cancel
    }

    enum Action: Hashable, Sendable {
        case start(server: Int, Trial, until: Int)
        /// Cancels the task of the server's run.
        case stop(server: Int)
        case awaitAnswer(server: Int)
        /// Sends `patienceOver` with this number after the time.
        case awaitPatience(Int, Duration)
        case removeCheckpoint(String)
        /// All is done, and no run is left. nil: successfully.
        case finish(Status?)
    }

    private(set) var progress: SweepProgress
    private(set) var servers: [ServerState]
    private let directory: String
    private let patience: Duration
    /// How often all servers were lost.
    private var outages = 0
    /// Why nothing is started any more.
    private var ending: Status?
    private var isFinished = false
    private var records: [SweepRecord] = []
    private var actions: [Action] = []

    /// - Parameters:
    ///   - progress: without running trials.
    ///   - patience: how long the sweep goes on when all servers are lost.
    init(_ progress: SweepProgress, servers: [SweepServer], directory: String, patience: Duration = .seconds(60)) {
        self.progress = progress
        self.servers = servers.map { ServerState($0) }
        self.directory = directory
        self.patience = patience
    }

    /// Takes an event.
    /// - Returns: records to write before anything else happens, then actions to carry out, each in order.
    mutating func handle(_ event: Event, at time: Duration) throws(Status) -> (records: [SweepRecord], actions: [Action]) {
        guard !isFinished else { return ([], []) }
        switch event {
        case .begin: break
        case .reported(let server, let run, let report): try reported(server, run, report, time)
        case .ended(let server, let run, let result): try ended(server, run, result, time)
        case .lost(let server, let run, let reason): try lost(server, run, reason, time)
        case .answers(let server): answers(server, time)
        case .patienceOver(let outage):
            if outage == outages, servers.allSatisfy(\.isLost) { stopAll(noServers, time) }
        case .cancel: stopAll(.cancelled("the sweep was cancelled"), time)
        }
        try place(time)
        defer { (records, actions) = ([], []) }
        return (records, actions)
    }

    private mutating func record(_ record: SweepRecord) throws(Status) {
        records.append(record)
        actions += try progress.apply(record).map { .removeCheckpoint($0) }
    }

    // MARK: Events of runs

    private mutating func reported(_ server: Int, _ run: RunID, _ report: TrialReport, _ time: Duration) throws(Status) {
        guard servers[server].countedRun == run else { return }
        if let value = report.metrics[progress.specification.objective.metric], !value.isFinite {
            try record(.failed(trial: run.trial, diverged(value, report.step), seconds: runSeconds(server, time)))
            servers[server].change(to: .stopping(run), at: time)
            actions.append(.stop(server: server))
        } else {
            try record(.reported(trial: run.trial, report))
        }
    }

    private mutating func ended(_ server: Int, _ run: RunID, _ result: Result<TrialReport, Status>, _ time: Duration) throws(Status) {
        guard servers[server].run == run else { return }
        if case .lost(let reason, _, let answers) = servers[server].condition {
            servers[server].change(to: answers ? .idle : .lost(reason: reason, run: nil, answers: false), at: time)
            return
        }
        guard servers[server].countedRun == run else {
            servers[server].change(to: .idle, at: time)
            return
        }
        let seconds = runSeconds(server, time)
        switch result {
        case .success(let report):
            switch outcome(report) {
            case nil: try record(.ended(trial: run.trial, report, seconds: seconds))
            case let failure?: try record(.failed(trial: run.trial, failure, seconds: seconds))
            }
            servers[server].change(to: .idle, at: time)
        case .failure where ending != nil:
            // The run was cancelled. The trial goes on when the sweep does.
            servers[server].change(to: .idle, at: time)
        case .failure(let status) where [.unavailable, .aborted, .cancelled].contains(status.code):
            try lose(server, run, status.message, isRunning: false, time)
        case .failure(let status):
            try record(.failed(trial: run.trial, status, seconds: seconds))
            servers[server].change(to: .idle, at: time)
        }
    }

    private func runSeconds(_ server: Int, _ time: Duration) -> Double { (time - servers[server].since).seconds }

    /// Why the report at the end of a run is not a result; nil when it is one.
    private func outcome(_ report: TrialReport) -> Status? {
        let metric = progress.specification.objective.metric
        guard let value = report.metrics[metric] else {
            let names = report.metrics.keys.sorted().joined(separator: ", ")
            return .invalidArgument("expected the metric '\(metric)', which the sweep optimizes; the trial reports \(names.isEmpty ? "no metrics" : names)")
        }
        return value.isFinite ? nil : diverged(value, report.step)
    }

    private func diverged(_ value: Double, _ step: Int) -> Status {
        .outOfRange("diverged: '\(progress.specification.objective.metric)' is \(value) at step \(step)")
    }

    // MARK: Events of servers

    private mutating func lost(_ server: Int, _ run: RunID, _ reason: String, _ time: Duration) throws(Status) {
        guard servers[server].countedRun == run else { return }
        actions.append(.stop(server: server))
        try lose(server, run, reason, isRunning: true, time)
    }

    private mutating func lose(_ server: Int, _ run: RunID, _ reason: String, isRunning: Bool, _ time: Duration) throws(Status) {
        let seconds = runSeconds(server, time)
        if ending != nil {
            // The trial goes on when the sweep does.
        } else if progress.trials[run.trial].lossCount >= progress.specification.retries {
            let times = progress.specification.retries + 1
            let status = Status.unavailable("lost its server \(times) time\(times == 1 ? "" : "s"), the last time \(servers[server].server): \(reason)")
            try record(.failed(trial: run.trial, status, seconds: seconds))
        } else {
            try record(.lost(trial: run.trial, server: servers[server].server.description, reason: reason, seconds: seconds))
        }
        servers[server].change(to: .lost(reason: reason, run: isRunning ? run : nil, answers: false), at: time)
        actions.append(.awaitAnswer(server: server))
        if ending == nil, servers.allSatisfy(\.isLost) {
            outages += 1
            actions.append(.awaitPatience(outages, patience))
        }
    }

    private mutating func answers(_ server: Int, _ time: Duration) {
        guard case .lost(let reason, let run, _) = servers[server].condition else { return }
        servers[server].change(to: run == nil ? .idle : .lost(reason: reason, run: run, answers: true), at: time)
    }

    private var noServers: Status {
        let reasons = servers.map { server in
            if case .lost(let reason, _, _) = server.condition { "\(server.server): \(reason)" } else { "\(server.server)" }
        }
        return .unavailable("no server of the sweep is left; none has answered for \(patience): \(reasons.joined(separator: "; "))")
    }

    // MARK: Placement

    private mutating func stopAll(_ status: Status, _ time: Duration) {
        guard ending == nil else { return }
        ending = status
        for server in servers.indices where servers[server].run != nil { actions.append(.stop(server: server)) }
    }

    /// Gives jobs to idle servers, and ends the sweep when there are none left.
    private mutating func place(_ time: Duration) throws(Status) {
        if ending == nil {
            for server in servers.indices where servers[server].condition == .idle {
                guard let job = nextJob(for: server) else { continue }
                try start(job, on: server, time)
            }
        }
        let isDone = progress.next == .done && progress.interrupted.isEmpty && progress.runningCount == 0
        guard ending != nil || isDone else { return }
        // When all is done, runs that are left are those whose outcome does not matter.
        let isRunLeft = servers.contains { ending == nil ? $0.countedRun != nil : $0.run != nil }
        guard !isRunLeft else { return }
        if ending == nil { actions += progress.settleAll().map { .removeCheckpoint($0) } }
        isFinished = true
        actions.append(.finish(isDone ? nil : ending))
    }

    private func nextJob(for server: Int) -> SearchJob? {
        let isOtherLeft = servers.indices.contains { $0 != server && !servers[$0].isLost }
        let name = servers[server].server.description
        if let trial = progress.interrupted.first(where: { !isOtherLeft || progress.trials[$0].lossCount == 0 || progress.trials[$0].server != name }) {
            return progress.trials[trial].job
        }
        guard case .start(let job) = progress.next else { return nil }
        return job
    }

    private mutating func start(_ job: SearchJob, on server: Int, _ time: Duration) throws(Status) {
        let known = progress.trials.indices.contains(job.trial) ? progress.trials[job.trial].configuration : nil
        let configuration = known ?? progress.specification.configuration(of: job.trial)
        try record(.started(job, server: servers[server].server.description, configuration: configuration))
        let trial = progress.trials[job.trial]
        servers[server].change(to: .running(RunID(trial: job.trial, attempt: trial.attemptCount)), at: time)
        let start = Trial(
            number: job.trial, configuration: configuration, rung: job.rung, attempt: trial.attemptCount,
            directory: "\(directory)/trial-\(job.trial)/run-\(trial.attemptCount)", checkpoint: trial.checkpointed?.checkpoint,
            checkpointStep: trial.checkpointed?.step ?? 0, history: trial.history)
        actions.append(.start(server: server, start, until: job.steps))
    }
}
