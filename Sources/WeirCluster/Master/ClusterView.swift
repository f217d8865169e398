import WeirTensor
import WeirWire

/// The cluster as one session sees it: the server's cluster, or the one that the client named in `cluster_def`.
struct ClusterView: Sendable {
    let peers: WorkerPeers
    /// The name of the master's own task in this cluster.
    let localTask: DeviceName
    /// Whether the peers belong to one session, and are closed with it.
    private let ownsPeers: Bool

    private init(peers: WorkerPeers, localTask: DeviceName, ownsPeers: Bool) {
        self.peers = peers
        self.localTask = localTask
        self.ownsPeers = ownsPeers
    }

    /// The cluster of a server.
    init(of worker: Worker) { self.init(peers: worker.peers, localTask: worker.task, ownsPeers: false) }

    /// - Parameter target: the address that the client used. It says which task of the client's cluster the master is.
    /// - Throws: `invalidArgument` when the client's cluster does not have the target exactly once, or has it under the name
    ///   that the server has already.
    init(of worker: Worker, for configuration: SessionConfiguration, target: String) throws {
        guard let cluster = configuration.cluster else {
            self.init(of: worker)
            return
        }
        var address = target
        if let scheme = address.firstRange(of: "://") { address = String(address[scheme.upperBound...]) }
        let matches = cluster.tasks.filter { $0.address == address }
        guard matches.count == 1, let match = matches.first else {
            throw Status.invalidArgument(
                "The cluster_def in the session's options must have the target '\(target)' as the address of exactly one task; found \(matches.count)")
        }
        let name = DeviceName(job: match.job, replica: 0, task: match.task)
        if name == worker.task {
            throw Status.invalidArgument(
                "The master's job and task, \(name), are those the server was started with; a session with its own cluster must use others")
        }
        self.init(peers: worker.peers.viewed(as: cluster, task: name), localTask: name, ownsPeers: true)
    }

    /// Closes the connections that only this view uses.
    func close() { if ownsPeers { peers.close() } }

    /// The tasks that a session with these device filters uses. The local task is always one of them.
    func tasks(matching filters: [DeviceName] = []) -> [DeviceName] {
        peers.cluster.tasks.map { DeviceName(job: $0.job, replica: 0, task: $0.task) }.filter { name in
            name == localTask || filters.isEmpty || filters.contains { name.isCompatible(with: $0.taskName) }
        }
    }

    /// As `discover(_:)`, but waits for at most `timeout`; nil waits without a limit.
    /// - Throws: `deadlineExceeded` with the names of the tasks that have not responded, when the timeout passes.
    func discover(_ names: [DeviceName], within timeout: Duration?) async throws -> [SessionTask] {
        guard let timeout else { return try await discover(names) }
        return try await withThrowingTaskGroup(of: [SessionTask]?.self) { group in
            group.addTask { try await discover(names) }
            group.addTask {
                try await Task.sleep(for: timeout.bounded)
                return nil
            }
            defer { group.cancelAll() }
            if let found = try await group.next() ?? nil { return found }
            group.cancelAll()
            do {
                if let found = try await group.next() ?? nil { return found }
                throw Status.internalError("The tasks of a session were not asked")
            } catch {
                throw Status.deadlineExceeded("Deadline Exceeded: \(Status(error).message)")
            }
        }
    }

    /// Asks tasks for their devices and waits until all have responded.
    /// - Returns: the tasks, the local one first, the others by name.
    /// - Throws: `unavailable` with the names of the tasks that have not responded, when the calling task is cancelled.
    func discover(_ names: [DeviceName]) async throws -> [SessionTask] {
        /// What a task has answered when the waiting ends.
        enum Answer {
            case devices(SessionTask)
            case silence(of: String)
        }
        let begin = ContinuousClock.now
        var found: [SessionTask] = []
        var silent: [String] = []
        try await withThrowingTaskGroup(of: Answer.self) { group in
            for name in names {
                let worker = try peers.worker(name)
                let address = peers.cluster.address(job: name.job ?? "", task: name.task ?? 0) ?? "its address"
                group.addTask {
                    let status: [DeviceAttributes]
                    do { status = try await worker.status() } catch  where Task.isCancelled { return .silence(of: "\(name) at \(address)") }
                    let devices = status.map { device in
                        // A task names its devices by the server's cluster, and the session by its own.
                        var device = device
                        device.name = DeviceName(
                            job: name.job, replica: name.replica, task: name.task, type: device.name.type, index: device.name.index)
                        return device
                    }
                    return .devices(SessionTask(name: name, worker: worker, devices: devices))
                }
            }
            for try await answer in group {
                switch answer {
                case .devices(let task): found.append(task)
                case .silence(let task): silent.append(task)
                }
            }
        }
        guard silent.isEmpty else {
            let time = StepCoordinator.seconds(ContinuousClock.now - begin)
            let (tasks, have) = silent.count == 1 ? ("Task", "has") : ("Tasks", "have")
            throw Status.unavailable("\(tasks) \(silent.sorted().joined(separator: ", ")) \(have) not answered for \(time)")
        }
        return found.sorted { ($0.name == localTask ? 0 : 1, $0.name.description) < ($1.name == localTask ? 0 : 1, $1.name.description) }
    }
}
