import WeirTensor

/// The tasks of a sweep: runs, watches of servers, and the wait when all servers are lost. Each sends events.
struct SweepTasks {
    typealias Event = SweepSchedule.Event

    private let events: AsyncStream<Event>.Continuation
    /// By server.
    private var runs: [Int: Task<Void, Never>] = [:]
    /// By server: a watch of a run, or the wait for an answer.
    private var watches: [Int: Task<Void, Never>] = [:]
    private var patience: Task<Void, Never>?

    init(events: AsyncStream<Event>.Continuation) { self.events = events }

    mutating func start(_ trial: Trial, until steps: Int, on server: SweepServer, _ index: Int, _ runner: any TrialRunner, _ health: any ServerHealth) {
        let id = ServerState.RunID(trial: trial.number, attempt: trial.attempt)
        let watch = Task { [events] in
            if let reason = await health.waitUntilLost(server) { events.yield(.lost(server: index, id, reason: reason)) }
        }
        replaceWatch(of: index, by: watch)
        runs[index] = Task { [events] in
            let result = await Result.of { () async throws(Status) in
                try await runner.run(trial, until: steps, on: server) { events.yield(.reported(server: index, id, $0)) }
            }
            watch.cancel()
            events.yield(.ended(server: index, id, result))
        }
    }

    func stop(_ server: Int) { runs[server]?.cancel() }

    mutating func awaitAnswer(of server: SweepServer, _ index: Int, _ health: any ServerHealth) {
        replaceWatch(
            of: index,
            by: Task { [events] in
                if await health.waitUntilAnswers(server) { events.yield(.answers(server: index)) }
            })
    }

    mutating func awaitPatience(_ outage: Int, _ time: Duration, _ wait: @escaping @Sendable (Duration) async -> Void) {
        patience?.cancel()
        patience = Task { [events] in
            await wait(time)
            if !Task.isCancelled { events.yield(.patienceOver(outage)) }
        }
    }

    private mutating func replaceWatch(of server: Int, by watch: Task<Void, Never>) {
        watches[server]?.cancel()
        watches[server] = watch
    }

    /// Cancels all tasks, and waits until they have ended.
    mutating func end() async {
        let all = Array(runs.values) + Array(watches.values) + [patience].compactMap(\.self)
        for task in all { task.cancel() }
        for task in all { await task.value }
        events.finish()
    }
}

extension Result where Failure == Status, Success: Sendable {
    /// The result of an asynchronous function.
    static func of(_ body: () async throws(Status) -> Success) async -> Result {
        do throws(Status) { return .success(try await body()) } catch { return .failure(error) }
    }
}
