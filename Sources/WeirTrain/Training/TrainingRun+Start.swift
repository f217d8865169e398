import WeirCluster
import WeirTensor
import WeirWire

/// The time to wait for servers is over. It ends training also with recovery, which would wait for the same servers again.
struct WaitIsOver: Error { let status: Status }

// The start of a training: its sessions, and with what its clients begin.
extension TrainingRun {
    /// Opens the clients' sessions, and says meanwhile which tasks have not answered.
    ///
    /// The masters decide whether all is there: they ask the tasks. This process asks them too, only to say who does not answer and why; a
    /// task that only its peers can reach does not answer it, and is no obstacle.
    /// - Returns: the clients but those whose workers were lost meanwhile.
    /// - Throws: `WaitIsOver` with all tasks that have not answered when the time to wait for them passes; `unavailable` when all workers
    ///   were lost.
    func openSessions(_ clients: [TrainingClient]) async throws -> [ClientLoop] {
        let silent = try SilentTasks(of: clients, in: setting.cluster)
        let limit = progress.hasBegun || attempt.number > 1 ? options.recovery?.timeout : options.startTimeout
        let end = limit.map { ContinuousClock.now + $0.bounded }
        let asking = silent.tasks.isEmpty ? nil : Task { await silent.ask() }
        defer { asking?.cancel() }
        var loops: [ClientLoop] = []
        for client in clients {
            let address = try masterAddress(of: client)
            let reports = address.map { address in Task.reporting { progress.notice(waiting(for: silent, at: address, until: end)) } }
            defer { reports?.cancel() }
            do {
                if let loop = try await untilLost(client.worker, { try await open(client, until: end) }) { loops.append(loop) }
            } catch {
                let status = Status(error)
                guard let address else { throw status }
                guard status.code == .deadlineExceeded, let limit else { throw status.appending(", in opening a session on \(address)") }
                throw WaitIsOver(status: notBegun(silent, address, within: limit, status))
            }
        }
        return try requireOne(loops)
    }

    /// Prepares the clients when the chief has initialized the variables.
    /// - Returns: the clients but those whose workers were lost meanwhile.
    /// - Throws: `failedPrecondition` when the chief does not; `unavailable` when all workers were lost.
    func join(_ loops: [ClientLoop]) async throws -> [ClientLoop] {
        var ready: [ClientLoop] = []
        for loop in loops {
            guard let isReady = try await untilLost(loop.client.worker, { try await loop.join() }) else { continue }
            guard isReady else {
                throw Status.failedPrecondition("Worker \(loop.client.worker): training has ended, or its chief is gone; it initializes no variables")
            }
            ready.append(loop)
        }
        return try requireOne(ready)
    }

    private func requireOne(_ loops: [ClientLoop]) throws(Status) -> [ClientLoop] {
        guard !loops.isEmpty else { throw .unavailable("All workers whose clients this process runs were lost before the first step") }
        return loops
    }

    /// Notes in which incarnations the sessions use their tasks: so one that is restarted before the monitor has asked it is found out, too.
    /// - Throws: `unavailable` when one was restarted since this attempt found it.
    func expectTasks(of loops: [ClientLoop]) async throws(Status) {
        for loop in loops {
            for found in try await incarnations(loop.session) {
                if let before = attempt.incarnations[found.address], before != found.incarnation {
                    throw .unavailable("\(found.address) was restarted")
                }
                monitor.expect(found.address, found.incarnation)
            }
        }
    }

    /// The path of the checkpoint to begin with; nil to begin with initial values, or those that the servers have.
    func restoredPath() throws(Status) -> String? {
        let notice: (String) -> Void = { progress.notice($0) }
        switch attempt.start {
        case .asAsked:
            let path = try options.checkpoint?.restoredPath(notice: notice)
            // Servers may have a checkpoint that this process does not see.
            if let path, let reader = try? BundleReader(path), let text = try CheckpointFacts(options).difference(from: reader) { notice(text) }
            progress.beginsFirst(with: path)
            return path
        case .first(let path): return path
        case .current: return nil
        case .ownCheckpoint:
            guard let path = try options.checkpoint?.latestReadable(notice: notice) else {
                throw .dataLoss("The checkpoints of \(options.checkpoint?.prefix ?? "") that this training saved are gone")
            }
            return path
        }
    }

    /// The address of the client's master; nil for a session in this process.
    private func masterAddress(of client: TrainingClient) throws(Status) -> String? {
        guard let master = client.master else { return nil }
        guard let job = master.job, let task = master.task, let address = setting.cluster.address(job: job, task: task) else {
            throw .invalidArgument("The cluster has no task \(master), whose master a client needs")
        }
        return address
    }

    /// Opens the session of a client.
    /// - Parameter end: when to give up; nil waits without a limit.
    func open(_ client: TrainingClient, until end: ContinuousClock.Instant? = nil) async throws(Status) -> ClientLoop {
        let address = try masterAddress(of: client)
        var configuration = SessionConfiguration()
        configuration.deviceFilters = client.deviceFilters
        configuration.isolatesState = options.isolatesState || client.ownsState
        let session = try await Session(
            client.graph, target: address.map { .address("grpc://\($0)") } ?? .inProcess, configuration: configuration, registry: .standard,
            devices: address == nil ? options.processDevices() : nil, timeout: end.map { max($0 - .now, .zero) })
        sessions.add(session)
        if let address { monitor.recordAnswer(of: address) }
        return try ClientLoop(self, client, session, train)
    }

    /// What the user is told while a session does not open.
    private func waiting(for silent: SilentTasks, at address: String, until end: ContinuousClock.Instant?) -> String {
        let tasks = silent.descriptions
        let left = end.map { "; training ends in \(max(0, Int(($0 - .now).seconds.rounded()))) s if that does not change" } ?? ""
        if tasks.isEmpty {
            return "waiting for a session on \(address): all servers answer this process, but a server that it needs may not answer it\(left)"
        }
        return "waiting for \(tasks.count) of \(silent.tasks.count) servers: \(tasks.joined(separator: ", "))\(left)"
    }

    /// The error of a training that does not begin.
    /// - Parameter status: the error of the session on the master at the address, which may say who has not answered it.
    private func notBegun(_ silent: SilentTasks, _ address: String, within limit: Duration, _ status: Status) -> Status {
        let tasks = silent.descriptions
        let who = tasks.isEmpty ? "the server at \(address), which opened no session" : tasks.joined(separator: ", ")
        let master = status.message.firstRange(of: "not answered") == nil ? "" : ". \(address) says: \(status.message)"
        let what = attempt.number > 1 ? "go on" : "begin"
        return .unavailable("Training cannot \(what): no answer within \(limit) from \(who)\(master)")
    }
}
