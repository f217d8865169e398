/// A server of a sweep, and how its time was used.
struct ServerState: Sendable {
    enum Condition: Hashable, Sendable {
        case idle
        case running(RunID)
        /// The run was cancelled; its outcome does not matter any more.
        case stopping(RunID)
        /// Nothing is placed on the server until it answers again and its run, if it has one, has ended.
        case lost(reason: String, run: RunID?, answers: Bool)
    }

    /// One run of a trial.
    struct RunID: Hashable, Sendable {
        let trial: Int
        let attempt: Int
    }

    let server: SweepServer
    private(set) var condition = Condition.idle
    /// When the condition began, counted from the sweep's start.
    private(set) var since = Duration.zero
    private var runningTime = Duration.zero
    private var lostTime = Duration.zero
    private(set) var runCount = 0
    private(set) var lossCount = 0

    init(_ server: SweepServer) { self.server = server }

    mutating func change(to condition: Condition, at time: Duration) {
        switch self.condition {
        case .running: runningTime += time - since
        case .lost: lostTime += time - since
        case .idle, .stopping: break
        }
        if case .running = condition { runCount += 1 }
        if case .lost = condition, !isLost { lossCount += 1 }
        self.condition = condition
        since = time
    }

    var isLost: Bool { if case .lost = condition { true } else { false } }

    /// The run that occupies the server.
    var run: RunID? {
        switch condition {
        case .running(let run), .stopping(let run), .lost(_, let run?, _): run
        case .idle, .lost: nil
        }
    }

    /// The run whose outcome matters.
    var countedRun: RunID? { if case .running(let run) = condition { run } else { nil } }

    /// How the time until now was used.
    func usage(at time: Duration) -> ServerUsage {
        var now = self
        now.change(to: condition, at: time)
        return ServerUsage(
            server: server, runCount: runCount, lossCount: lossCount, busySeconds: now.runningTime.seconds, lostSeconds: now.lostTime.seconds,
            seconds: time.seconds)
    }
}
