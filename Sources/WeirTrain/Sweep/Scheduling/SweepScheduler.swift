public import WeirTensor
import WeirWire

/// Runs a sweep: keeps servers busy with trials, and writes down what happens, so that a sweep that was interrupted goes on where it
/// stopped when it is run again in the same folder.
///
/// ```swift
/// let specification = try SweepSpecification(contentsOf: "sweep.json")
/// let scheduler = SweepScheduler(specification, servers: [.address("a:2222"), .address("b:2222")], runner: runner, directory: "sweep")
/// let result = try await scheduler.run()
/// print(result.table)
/// ```
public struct SweepScheduler: Sendable {
    /// Receives the events of a sweep, in order.
    public typealias OnEvent = @Sendable (SweepEvent) -> Void

    private let specification: SweepSpecification
    private let servers: [SweepServer]
    private let runner: any TrialRunner
    private let health: any ServerHealth
    private let directory: String
    private let patience: Duration
    private let onEvent: OnEvent
    /// Waits for a time; ends early when its task is cancelled.
    let wait: @Sendable (Duration) async -> Void

    /// - Parameters:
    ///   - servers: each runs one trial at a time.
    ///   - health: tells whether servers answer.
    ///   - directory: the folder for the journal and the trials' files; it is created if needed. Runners on other hosts need the same file
    ///     system.
    ///   - patience: how long the sweep waits for a server when all are lost, before it fails.
    ///   - onEvent: called before the event's consequences; it must return soon.
    public init(
        _ specification: SweepSpecification, servers: [SweepServer], runner: any TrialRunner, health: any ServerHealth = ProbedServerHealth(),
        directory: String, patience: Duration = .seconds(60), onEvent: @escaping OnEvent = { _ in }
    ) {
        self.init(
            specification, servers: servers, runner: runner, health: health, directory: directory, patience: patience, onEvent: onEvent,
            wait: { try? await Task.sleep(for: $0) })
    }

    init(
        _ specification: SweepSpecification, servers: [SweepServer], runner: any TrialRunner, health: any ServerHealth, directory: String,
        patience: Duration, onEvent: @escaping OnEvent, wait: @escaping @Sendable (Duration) async -> Void
    ) {
        self.specification = specification
        self.servers = servers
        self.runner = runner
        self.health = health
        self.directory = directory
        self.patience = patience.bounded
        self.onEvent = onEvent
        self.wait = wait
    }

    /// Runs the trials that have not been run, and returns when all have ended. Trials that fail do not end the sweep.
    /// - Throws: `invalidArgument` without servers, or when one is there twice; `failedPrecondition` when the folder has another sweep, or
    ///   another process runs this one; `unavailable` when all servers are lost for longer than the patience; `cancelled` when the task is
    ///   cancelled; the error of a file that cannot be written. The folder keeps what was done.
    public func run() async throws(Status) -> SweepResult {
        guard !servers.isEmpty else { throw .invalidArgument("servers: expected at least one server, found none") }
        var seen: Set<SweepServer> = []
        for server in servers where !seen.insert(server).inserted { throw .invalidArgument("servers: expected each server once, found \(server) again") }
        let (events, continuation) = AsyncStream.makeStream(of: SweepSchedule.Event.self)
        continuation.yield(.begin)
        // The loop's task is not cancelled itself: it has to see how cancelled runs end.
        let loop = Task { () -> Result<SweepResult, Status> in
            var tasks = SweepTasks(events: continuation)
            let result = await Result.of { () async throws(Status) in try await follow(events, &tasks) }
            await tasks.end()
            return result
        }
        return try await withTaskCancellationHandler {
            await loop.value
        } onCancel: {
            continuation.yield(.cancel)
        }.get()
    }

    /// Takes events until the sweep is done.
    private func follow(_ events: AsyncStream<SweepSchedule.Event>, _ tasks: inout SweepTasks) async throws(Status) -> SweepResult {
        let (journal, progress) = try SweepJournal.open(specification, in: directory)
        var schedule = SweepSchedule(progress, servers: servers, directory: directory, patience: patience)
        if !progress.trials.isEmpty { onEvent(progress.resumption) }
        let start = ContinuousClock.now
        for await event in events {
            let time = ContinuousClock.now - start
            let (records, actions) = try schedule.handle(event, at: time)
            try journal.append(records)
            for record in records { onEvent(SweepEvent(record, specification)) }
            for action in actions {
                switch action {
                case .start(let server, let trial, let steps): tasks.start(trial, until: steps, on: servers[server], server, runner, health)
                case .stop(let server): tasks.stop(server)
                case .awaitAnswer(let server): tasks.awaitAnswer(of: servers[server], server, health)
                case .awaitPatience(let outage, let time):
                    onEvent(.notice("no server is left: the sweep ends in \(time) if none answers; the same sweep in \(directory) goes on later"))
                    tasks.awaitPatience(outage, time, wait)
                case .removeCheckpoint(let path): remove(path)
                case .finish(nil): return SweepResult(schedule.progress, schedule.servers.map { $0.usage(at: time) }, time)
                case .finish(let status?): throw ended(status, schedule.progress)
                }
            }
        }
        throw .internalError("the events of the sweep ended before the sweep")
    }

    /// Removes a checkpoint. A file that stays costs space only: the sweep goes on.
    private func remove(_ checkpoint: String) {
        do throws(Status) { try BundleFiles.remove(checkpoint) } catch {
            onEvent(.notice("a checkpoint that is not needed any more could not be removed: \(error.message)"))
        }
    }

    /// The error with what is done and how to go on.
    private func ended(_ status: Status, _ progress: SweepProgress) -> Status {
        let open = progress.trials.count { $0.phase == .running || $0.phase == .interrupted }
        let rest = open == 0 ? "" : ", \(open) will go on from \(open == 1 ? "its last checkpoint" : "their last checkpoints")"
        return status.appending(
            "; \(progress.trials.count - open) of \(specification.trialCount) trials have ended\(rest), and \(directory) has what is done: "
                + "the same sweep in this folder goes on")
    }
}
