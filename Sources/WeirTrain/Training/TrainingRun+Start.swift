import WeirCluster
import WeirTensor

// The sessions of a training.
extension TrainingRun {
    /// Opens the clients' sessions, and says meanwhile which tasks have not answered.
    ///
    /// The masters decide whether all is there: they ask the tasks. This process asks them too, only to say who does not answer and why; a
    /// task that only its peers can reach does not answer it, and is no obstacle.
    /// - Parameter opened: called with each session, also if a later one fails.
    /// - Throws: `unavailable` with all tasks that have not answered when `TrainingOptions.startTimeout` passes.
    func openSessions(_ clients: [TrainingClient], _ opened: (ClientLoop) -> Void) async throws {
        let silent = try SilentTasks(of: clients, in: setting.cluster)
        let end = options.startTimeout.map { ContinuousClock.now + $0.bounded }
        let asking = silent.tasks.isEmpty ? nil : Task { await silent.ask() }
        defer { asking?.cancel() }
        for client in clients {
            let address = try masterAddress(of: client)
            let reports = address.map { address in Task.reporting { progress.notice(waiting(for: silent, at: address, until: end)) } }
            defer { reports?.cancel() }
            do throws(Status) { opened(try await open(client, until: end)) } catch {
                guard let address else { throw error }
                throw error.code == .deadlineExceeded ? notBegun(silent, address, error) : error.appending(", in opening a session on \(address)")
            }
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
    private func notBegun(_ silent: SilentTasks, _ address: String, _ status: Status) -> Status {
        let tasks = silent.descriptions
        let who = tasks.isEmpty ? "the server at \(address), which opened no session" : tasks.joined(separator: ", ")
        let master = status.message.firstRange(of: "not answered") == nil ? "" : ". \(address) says: \(status.message)"
        return .unavailable("Training cannot begin: no answer within \(options.startTimeout ?? .zero) from \(who)\(master)")
    }
}
