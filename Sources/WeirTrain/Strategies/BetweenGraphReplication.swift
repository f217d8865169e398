import WeirCluster
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

// Between-graph replication: one client for each worker, with a session on that worker's master.
extension Trainer {
    /// The client of one worker.
    private struct Client: Sendable {
        let number: Int
        let task: Int
        let replica: ReplicaGraph
        let session: Session
    }

    func runBetweenGraph(_ tasks: [Int]) async throws -> TrainingReport {
        let all = workerTasks
        let board = TrainingProgress(workerCount: all.count, onEvent: onEvent)
        let monitor = TaskMonitor(cluster)
        do {
            return try await withThrowingTaskGroup(of: TrainingReport?.self) { group in
                group.addTask {
                    // Returns only by throwing, when too few workers are left or the task is cancelled.
                    try await monitor.watch { name, reason in try self.gone(name, reason, board) }
                    return nil
                }
                group.addTask { try await self.trainReplicas(tasks, board) }
                defer { group.cancelAll() }
                while let report = try await group.next() {
                    if let report { return report }
                }
                throw Status.internalError("training ended without a report")
            }
        } catch is CancellationError {
            throw Status.cancelled("Training was cancelled")
        }
    }

    /// Handles the loss of a task.
    /// - Throws: `unavailable` when training cannot continue without it.
    private func gone(_ task: DeviceName, _ reason: String, _ board: TrainingProgress) throws {
        guard task.job == "worker", let number = workerTasks.firstIndex(of: task.task ?? -1) else {
            throw Status.unavailable("Parameter server \(task) is gone: \(reason)")
        }
        let left = board.lost(number, reason)
        let needed = options.strategy == .sync ? requiredReplicas : 1
        if number == 0 { throw Status.unavailable("The chief's worker \(task) is gone: \(reason)") }
        if left < needed {
            throw Status.unavailable(
                "Worker \(task) is gone: \(reason). \(left) of \(workerTasks.count) workers are left and each update needs gradients of \(needed)")
        }
    }

    private func trainReplicas(_ tasks: [Int], _ board: TrainingProgress) async throws -> TrainingReport {
        let clients = try await open(tasks)
        defer { for client in clients { Task { try? await client.session.close() } } }
        if let chief = clients.first(where: { $0.number == 0 }) {
            // Destroys the state that an earlier training left when its chief was killed.
            try await chief.session.run(chief.replica.forget)
            try await chief.session.run(chief.replica.initializer)
            onEvent(.placed(placementText(chief.replica.graph)))
        }
        for client in clients { try await join(client, board) }
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in clients {
                group.addTask { try await self.runUntilLost(client, board) }
                if client.number == 0, client.replica.sync != nil { group.addTask { try await self.runChief(client) } }
            }
            for try await _ in group {}
        }
        let elapsed = (ContinuousClock.now - start).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        let chief = clients[0]
        let trainAccuracy = try await accuracy(chief, train), testAccuracy = try await accuracy(chief, test)
        // Without a global step, the workers of the next training wait until its chief has initialized it.
        if chief.number == 0 { try await chief.session.run(chief.replica.forget) }
        return board.report(
            stepCount: options.stepCount, seconds: seconds, required: options.strategy == .sync ? requiredReplicas : nil,
            train: trainAccuracy, test: testAccuracy, testRows: test.rowCount, placement: placement(chief.replica.graph))
    }

    private func open(_ tasks: [Int]) async throws -> [Client] {
        var clients: [Client] = []
        for task in tasks {
            guard let number = workerTasks.firstIndex(of: task), let address = cluster.address(job: "worker", task: task) else { continue }
            var configuration = SessionConfiguration()
            // A client needs the parameter servers and its own worker only; without this filter it would wait for all workers.
            configuration.deviceFilters = ["/job:ps", "/job:worker/task:\(task)"]
            let replica = try ReplicaGraph(self, task: task)
            let waiting = reportWaitingForSession(address)
            defer { waiting.cancel() }
            let session = try await Session(replica.graph, target: .address("grpc://\(address)"), configuration: configuration, registry: .standard)
            clients.append(Client(number: number, task: task, replica: replica, session: session))
        }
        return clients
    }

    /// Waits until the chief has initialized the variables, then sets the local step to the global step.
    private func join(_ client: Client, _ board: TrainingProgress) async throws {
        try await waitUntilInitialized(client, board)
        if let sync = client.replica.sync { try await client.session.run(sync.localInitializer) }
    }

    private func waitUntilInitialized(_ client: Client, _ board: TrainingProgress) async throws {
        var waited = Duration.zero
        while true {
            let flags = try await client.session.run(client.replica.isInitialized).array(of: Bool.self)
            let missing = zip(client.replica.variables, flags).filter { !$1 }.map(\.0.name)
            if missing.isEmpty { return }
            if waited >= .seconds(1) {
                board.notice("worker \(client.number) waits for the chief to initialize \(missing.count) variables, first \(missing[0])")
                waited = .zero
            }
            try await Task.sleep(for: .milliseconds(50))
            waited += .milliseconds(50)
        }
    }

    /// Runs one worker's loop. It also ends when the worker is lost, because a call to a lost server may block for long.
    private func runUntilLost(_ client: Client, _ board: TrainingProgress) async throws {
        let work = Task { try await runWorker(client, board) }
        board.whenLost(client.number) { work.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
        } catch  where board.isLost(client.number) && client.number != 0 {}
    }

    /// Runs one worker's training steps until enough updates are done.
    private func runWorker(_ client: Client, _ board: TrainingProgress) async throws {
        var batches = Batches(train, batchSize: options.batchSize, seed: UInt64(options.seed &* 7919 &+ client.number &+ 1))
        var isFirst = true
        while !Task.isCancelled {
            let batch = batches.next()
            var run = RunOptions()
            run.traces = isFirst
            do {
                let reply = try await client.session.run(
                    fetches: [client.replica.loss.name, client.replica.updateCount.name],
                    feeds: [NamedTensor(client.replica.features.name, batch.features), NamedTensor(client.replica.labels.name, batch.labels)],
                    targets: [client.replica.step.name], options: run)
                if isFirst { board.setBytesPerStep(client.number, Trainer.bytesReceived(reply.metadata)) }
                isFirst = false
                let step = Int(try reply.tensors[1].tensor.scalar(of: Int64.self))
                board.recordStep(client.number, globalStep: min(step, options.stepCount), loss: try reply.tensors[0].tensor.scalar(of: Float.self))
                if options.strategy == .async, step >= options.stepCount { return }
            } catch {
                let status = Status(error)
                // The chief closed the token queue: enough updates are done.
                if client.replica.sync != nil, status.code == .outOfRange { return }
                // The chief destroyed the training's state. Either training has ended or, before this worker's first step, the
                // state was that of an earlier training.
                if client.number != 0, [.notFound, .failedPrecondition, .cancelled].contains(status.code), !Task.isCancelled {
                    if !isFirst { return }
                    try await join(client, board)
                    continue
                }
                if client.number != 0, status.code == .unavailable || status.code == .aborted {
                    try gone(DeviceName(job: "worker", replica: 0, task: client.task), status.message, board)
                    return
                }
                throw status
            }
        }
    }

    private func runChief(_ client: Client) async throws {
        guard let sync = client.replica.sync else { return }
        for _ in 0..<options.stepCount { try await client.session.run(sync.chiefStep) }
        try await client.session.run(sync.closeTokens)
    }

    private func accuracy(_ client: Client, _ table: Table) async throws -> Double {
        guard table.rowCount > 0 else { return .nan }
        let value = try await client.session.run(
            client.replica.accuracy,
            feeding: [client.replica.features: table.featureTensor, client.replica.labels: table.labelTensor])
        return Double(try value.scalar(of: Float.self))
    }

    /// The bytes that one step received from other tasks, according to its trace.
    static func bytesReceived(_ metadata: RunMetadata?) -> Int {
        (metadata?.times ?? []).reduce(0) { sum, time in
            // Receive nodes that the master added are named `…_S7`; feeds are `_recv_…`, copies within a task `…_G7`.
            guard OpRegistry.standard[time.op]?.role == .receive, let tail = time.node.split(separator: "_").last, tail.first == "S" else {
                return sum
            }
            return sum &+ time.outputBytes.reduce(0, &+)
        }
    }

    func placementText(_ graph: Graph) -> String {
        placement(graph).map { "\($0.device): \($0.opCount) ops, \($0.byteCount) bytes" }.joined(separator: "\n")
    }

    /// The number of ops and bytes on each device, as placed by the placer that masters use.
    func placement(_ graph: Graph) -> [(device: String, opCount: Int, byteCount: Int)] {
        let tasks =
            cluster.tasks.isEmpty
            ? [DeviceName(job: "localhost", replica: 0, task: 0)]
            : cluster.tasks.map { DeviceName(job: $0.job, replica: 0, task: $0.task) }
        let devices = tasks.map { task in
            PlacementDevice(
                name: DeviceName(job: task.job, replica: 0, task: task.task, type: "CPU", index: 0), incarnation: 1,
                isLocal: task.job == "worker" || tasks.count == 1)
        }
        guard let placed = try? Placer(devices: devices).place(graph) else { return [] }
        return PlacementReport(placed).rows.map { ($0.device, $0.opCount, $0.byteCount) }
    }
}
