import WeirCluster
import WeirGraph
import WeirTensor
import WeirWire

/// Makes sessions whose variables have values. TensorFlow's `SessionManager`.
struct SessionManager: Sendable {
    let graph: Graph
    let options: MonitoredSessionOptions
    let scaffold: FinalScaffold
    let clock: MonitorClock

    /// The time between two attempts, and between two notices.
    private static let pause = Duration.seconds(1)

    /// Makes a session, with as many attempts as it takes.
    /// - Parameters:
    ///   - limit: the time for all attempts.
    ///   - cause: why a session before was given up.
    /// - Throws: `deadlineExceeded` with what it waited for; `cancelled`; any error but those that mean that a server was lost.
    func create(within limit: Duration, after cause: Status? = nil) async throws(Status) -> SessionCreation {
        let (result, isLate) = await clock.run(within: limit) { await attempts() }
        do throws(Status) {
            return try result.get()
        } catch {
            if Task.isCancelled { throw .cancelled("The training was cancelled: \(error.message)") }
            guard isLate else { throw error }
            let lost = cause.map { " after a server was lost (\($0.message))" } ?? ""
            throw .deadlineExceeded("Expected a session on \(options.target.text) within \(limit.text)\(lost), found none: \(error.message)")
        }
    }

    private func attempts() async -> Result<SessionCreation, Status> {
        var last = ""
        var pause = Duration.milliseconds(100)
        while true {
            do throws(Status) {
                return .success(try await attempt())
            } catch {
                guard error.isPreemption, !Task.isCancelled else { return .failure(error.appending(last)) }
                last = "; an attempt before failed: \(error.message)"
                options.onNotice("a session could not be made, and another attempt is made: \(error.message)")
            }
            do { try await clock.sleep(pause) } catch { return .failure(.cancelled("no more time\(last)")) }
            pause = SessionManager.pause
        }
    }

    private func attempt() async throws(Status) -> SessionCreation {
        let session = try await open()
        do throws(Status) {
            let restored: String?
            if options.isChief {
                restored = try await prepare(session)
            } else {
                restored = nil
                try await waitUntilReady(session)
            }
            return SessionCreation(session: session, isChief: options.isChief, restoredFrom: restored, saver: options.isChief ? scaffold.saver : nil)
        } catch {
            let isEnded = Task.isCancelled && options.isChief
            await close(session)
            throw isEnded ? .cancelled("waited for the variables to be initialized or restored (\(error.message))") : error
        }
    }

    private func open() async throws(Status) -> Session {
        let waitedFor = "a session on \(options.target.text): it does not answer, or a task that it needs does not answer it"
        let waiting = Task { [clock, options] in
            while (try? await clock.sleep(SessionManager.pause)) != nil { options.onNotice("waiting for \(waitedFor)") }
        }
        defer { waiting.cancel() }
        do throws(Status) {
            return try await Session(graph, target: options.target, configuration: options.configuration, registry: .standard, devices: options.devices)
        } catch {
            // A wait that is ended from here says only that.
            guard Task.isCancelled else { throw error }
            throw .cancelled("waited for \(waitedFor)" + (error.code == .unavailable ? " (\(error.message))" : ""))
        }
    }

    /// Closes a session, also if servers were lost. Its master may be one of them, so it is given up after a while.
    func close(_ session: Session) async {
        // In a task of its own, because this one may be cancelled.
        let closing = Task { [clock] in
            await clock.run(within: .seconds(2)) { () -> Result<Void, Status> in
                do throws(Status) { return .success(try await session.close()) } catch { return .failure(error) }
            }
        }
        let (result, isLate) = await closing.value
        if case .failure(let status) = result, !isLate, !status.isPreemption, status.code != .cancelled {
            options.onNotice("the session could not be closed: \(status.message)")
        }
    }

    // MARK: The chief

    /// Restores or initializes the variables.
    /// - Returns: the checkpoint that was restored.
    private func prepare(_ session: Session) async throws(Status) -> String? {
        let restored = try latestCheckpoint()
        let what: String
        if let restored {
            guard let saver = scaffold.saver else { throw .failedPrecondition("\(restored) cannot be restored: the graph has no variables") }
            try await saver.restore(session, from: restored)
            if let prefix = CheckpointFolder.prefix(ofNumbered: restored) { try saver.recoverCheckpoints(prefix) }
            what = "the checkpoint \(restored)"
            options.onNotice("restored \(restored)")
        } else {
            // A graph may have no variables, and a step must have something to do.
            if !scaffold.initOp.isEmpty { _ = try await session.run(feeds: scaffold.initFeeds, targets: scaffold.initOp) }
            try await scaffold.initFunction?(session)
            what = "initOp and initFunction"
        }
        let early = try await missing(session, scaffold.readyForLocalInitOp)
        guard early.isEmpty else {
            throw .failedPrecondition("localInitOp needs variables to which \(what) gave no values: \(ReadinessWait.list(scaffold.places(early)))")
        }
        try await runLocalInit(session)
        let late = try await missing(session, scaffold.readyOp)
        guard late.isEmpty else {
            throw .failedPrecondition("\(what) and localInitOp gave no values to \(ReadinessWait.list(scaffold.places(late)))")
        }
        return restored
    }

    private func latestCheckpoint() throws(Status) -> String? {
        guard let directory = options.checkpointDirectory else { return nil }
        return try CheckpointFolder.latestReadable(in: directory) { path, problem in
            options.onNotice(CheckpointFolder.notice(ofSkipped: path, problem))
        }
    }

    private func runLocalInit(_ session: Session) async throws(Status) {
        if !scaffold.localInitOp.isEmpty { _ = try await session.run(targets: scaffold.localInitOp) }
    }

    // MARK: Workers

    private func waitUntilReady(_ session: Session) async throws(Status) {
        try await wait(session, scaffold.readyForLocalInitOp)
        try await runLocalInit(session)
        try await wait(session, scaffold.readyOp)
    }

    private func wait(_ session: Session, _ ready: String?) async throws(Status) {
        try await ReadinessWait(clock: clock, noticePause: SessionManager.pause).wait {
            "the chief to initialize \($0.count) variables: \(ReadinessWait.list(scaffold.places($0)))"
        } until: { () async throws(Status) -> [String] in
            try await missing(session, ready)
        } notice: { text, waited in
            options.onNotice("waiting for \(text); \(waited.text) so far")
        }
    }

    /// What a ready op says is missing.
    private func missing(_ session: Session, _ ready: String?) async throws(Status) -> [String] {
        guard let ready else { return [] }
        do throws(Status) {
            return try await session.run(ready).array(of: ByteString.self).map(\.description)
        } catch {
            // A ready op of a user's own may read variables.
            guard error.code == .failedPrecondition, error.message.firstRange(of: "uninitialized") != nil else { throw error }
            return [error.message]
        }
    }
}

extension Status {
    /// Whether it means that a server was lost: then a new session may work. TensorFlow's `_PREEMPTION_ERRORS`.
    var isPreemption: Bool { code == .aborted || code == .unavailable }
}

extension Session.Target {
    /// What it is, for messages.
    var text: String { address.isEmpty ? "this process" : address }
}

extension Duration {
    /// The duration in seconds, as text.
    var text: String {
        let parts = bounded.components
        return DurationText.text(nanoseconds: Int(parts.seconds) &* 1_000_000_000 &+ Int(parts.attoseconds / 1_000_000_000))
    }
}
