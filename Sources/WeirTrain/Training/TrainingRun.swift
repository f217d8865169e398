import WeirCluster
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor
import WeirWire

/// One run of a plan: opens the sessions, initializes, runs the clients' loops, watches the tasks, and evaluates.
struct TrainingRun: Sendable {
    let plan: TrainingPlan
    let options: TrainingOptions
    let setting: TrainingSetting
    let progress: TrainingProgress
    /// The steps of each client that are traced, counted from 1.
    let tracedSteps: Set<Int>
    let train: Dataset
    let test: Dataset
    /// Says when to save by the clock.
    let saveClock: SaveClock
    /// What this run begins with.
    let attempt: TrainingAttempt
    /// Watches the tasks of the cluster.
    let monitor: TaskMonitor
    let sessions = OpenSessions()
    private let onEvent: Trainer.OnEvent

    /// - Parameter progress: that of the attempts before this one; nil for the first.
    init(
        _ plan: TrainingPlan, _ options: TrainingOptions, _ setting: TrainingSetting, train: Dataset, test: Dataset,
        attempt: TrainingAttempt = TrainingAttempt(), progress: TrainingProgress? = nil, onEvent: @escaping Trainer.OnEvent
    ) {
        self.attempt = attempt
        monitor = TaskMonitor(setting.cluster, incarnations: attempt.incarnations)
        self.plan = plan
        self.options = options
        self.setting = setting
        self.train = train
        self.test = test
        self.onEvent = onEvent
        saveClock = SaveClock(seconds: options.checkpoint?.seconds)
        let reached = options.tracedSteps.filter { $0 <= options.stepCount }
        // A later attempt numbers its steps anew.
        tracedSteps = (reached.isEmpty && !options.tracedSteps.isEmpty ? [1] : reached).subtracting(progress?.tracedSteps ?? [])
        let lanes = max(setting.workerTasks.count, plan.clients.map(\.shards.count).max() ?? 1, plan.clients.count)
        let keepsLedger = plan.clients.contains { $0.updates?.contributions != nil }
        self.progress =
            progress
            ?? TrainingProgress(
                workerCount: plan.hasClientForEachWorker ? plan.clients.count : lanes, keepsLedger: keepsLedger, mayUndo: options.recovery != nil,
                onEvent: onEvent)
    }

    var milestones: TrainingMilestones {
        TrainingMilestones(evaluationInterval: options.evaluationInterval, checkpointInterval: options.checkpoint?.interval)
    }

    /// When the state is saved after `count` updates, for messages.
    func nextSave(after count: Int) -> String {
        let step = "after update \(milestones.nextSave(after: count, before: options.stepCount))"
        guard let seconds = options.checkpoint?.seconds else { return step }
        return "in \(Duration.seconds(min(seconds, 1e9))), \(step) at the latest"
    }

    /// Runs these clients of the plan to the end of training.
    func run(_ clients: [TrainingClient]) async throws -> TrainingReport {
        progress.runsClients(of: clients.map(\.worker))
        do {
            guard TrainingRun.usesTasks(clients, setting) else { return try await trainAll(clients) }
            return try await withThrowingTaskGroup(of: TrainingReport?.self) { group in
                group.addTask {
                    // Returns only by throwing, when too few workers are left or the task is cancelled.
                    try await monitor.watch { name, sight in
                        switch sight {
                        case .lost(let reason): try lost(name, reason)
                        case .answers: answers(name)
                        }
                    }
                    return nil
                }
                group.addTask {
                    do { return try await trainAll(clients) } catch {
                        try await waitForRootCause(of: Status(error))
                        throw error
                    }
                }
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

    /// Whether clients run on tasks of a cluster, which may be lost.
    static func usesTasks(_ clients: [TrainingClient], _ setting: TrainingSetting) -> Bool {
        !setting.cluster.tasks.isEmpty && clients.contains { $0.master != nil }
    }

    /// Gives the monitor time to find the task that is lost, if an error may be a consequence of that. Then the monitor ends training, or
    /// the work of the lost worker, so that the caller is cancelled.
    func waitForRootCause(of status: Status) async throws {
        guard progress.areSessionsOpen, status.isDerived || status.mayBeLoss else { return }
        try await Task.sleep(for: TaskMonitor.noticeTime)
    }

    /// Handles the loss of a task.
    /// - Throws: `unavailable` when training cannot continue without it.
    func lost(_ task: DeviceName, _ reason: String) throws(Status) {
        guard task.job == "worker", let number = setting.workerTasks.firstIndex(of: task.task ?? -1) else {
            throw .unavailable("\(task.job == "ps" ? "Parameter server " : "")\(task) is gone: \(reason)")
        }
        let left = progress.lost(number, reason)
        if number == 0 { throw .unavailable("The chief's worker \(task) is gone: \(reason)") }
        // With recovery, the client waits for its worker.
        if options.recovery == nil, !progress.hasOwnWorkerLeft {
            throw .unavailable("Worker \(task) is gone, whose client this process is: \(reason)")
        }
        if left < plan.requiredWorkers {
            throw .unavailable(
                "Worker \(task) is gone: \(reason). \(left) of \(setting.workerTasks.count) workers are left and each update needs "
                    + "gradients of \(plan.requiredWorkers)")
        }
    }

    private func trainAll(_ clients: [TrainingClient]) async throws -> TrainingReport {
        var loops = try await openSessions(clients.filter { !attempt.absentWorkers.contains($0.worker) })
        progress.opened()
        if options.recovery != nil, TrainingRun.usesTasks(clients, setting) { try await expectTasks(of: loops) }
        if let chief = loops.first(where: { $0.client.worker == 0 }) {
            // Destroys the state that an earlier training, or attempt, left when its chief was killed.
            if let forget = chief.client.lifecycle.forget, !attempt.keepsValues { try await chief.session.run(forget) }
            if options.reportsDetails { onEvent(.graph(chief.client.graph.definition)) }
            let placed = placement(of: chief.client.graph)
            onEvent(.placed(placed.map { "\($0.device): \($0.opCount) ops, \($0.byteCount) bytes" }.joined(separator: "\n")))
            if setting.parameterServerCount > 0, !placed.isEmpty, !placed.contains(where: { $0.device.hasPrefix("/job:ps/") }) {
                onEvent(.notice("the parameter servers have nothing to do: strategy '\(options.strategy.name)' keeps no variables there"))
            }
        }
        let restored = try restoredPath()
        // The saver removes the checkpoints of the training, or attempt, that this one goes on with, when there are too many.
        if let checkpoint = options.checkpoint, progress.hasSaved || (restored != nil && checkpoint.source == .latest) {
            for loop in loops { try loop.client.saver?.recoverCheckpoints(checkpoint.prefix) }
        }
        // At once: clients with variables of their own may exchange the initial values.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for loop in loops { group.addTask { try await loop.initialize(from: restored) } }
            for try await _ in group {}
        }
        loops = try await join(loops)
        let first = try await loops.first?.firstStep() ?? 0
        progress.begin(at: first)
        saveClock.restart()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in clients {
                let loop = loops.first { $0.client.worker == client.worker }
                group.addTask { try await runToEnd(client, loop, from: first) }
                if let loop, client.updates != nil { group.addTask { try await loop.runUpdates(from: first) } }
            }
            for try await _ in group {}
        }
        // The loops end quietly when they are cancelled between steps.
        try Task.checkCancellation()
        let seconds = (ContinuousClock.now - progress.beginning).seconds
        if let chief = loops.first(where: { $0.client.worker == 0 }) { try await chief.finish(from: first) }
        guard let evaluator = loops.first(where: { $0.client.evaluation != nil }) ?? loops.first else {
            throw Status.internalError("training has no client")
        }
        let values = try await parameters(loops)
        let trainMetrics = options.evaluatesTrainingRows ? try await evaluator.metrics(train) : [:]
        let testMetrics = try await evaluator.metrics(test)
        for loop in loops where loop.client.worker == 0 {
            // Without a global step, the workers of the next training wait until its chief has initialized it.
            if let forget = loop.client.lifecycle.forget { try await loop.session.run(forget) }
        }
        var report = progress.report(
            stepCount: options.stepCount, seconds: seconds, gradientsPerUpdate: plan.gradientsPerUpdate, hasAllClients: clients.count == plan.clients.count,
            placement: placement(of: evaluator.client.graph))
        report.attemptCount = attempt.number
        report.trainMetrics = trainMetrics
        report.testMetrics = testMetrics
        report.testRowCount = test.rowCount
        report.parameters = values
        return report
    }

    /// The values that the model's variables have at the end; empty if they are not asked for.
    private func parameters(_ loops: [ClientLoop]) async throws -> [String: Tensor] {
        guard options.returnsParameters else { return [:] }
        guard let holder = loops.first(where: { !$0.client.parameters.isEmpty }) else {
            throw Status.unimplemented("Strategy '\(options.strategy.name)' does not return the values of the model's variables")
        }
        return try await holder.modelValues()
    }

    /// The number of ops and bytes on each device, as placed by the placer that masters use.
    private func placement(of graph: Graph) -> [(device: String, opCount: Int, byteCount: Int)] {
        let tasks =
            setting.cluster.tasks.isEmpty
            ? [DeviceName(job: "localhost", replica: 0, task: 0)] : setting.cluster.tasks.map { DeviceName(job: $0.job, replica: 0, task: $0.task) }
        let asked = Set(setting.devices.compactMap { try? DeviceName($0) }.filter { $0.type != nil && $0.index != nil } + [DeviceName(type: "CPU", index: 0)])
        let devices = tasks.flatMap { task in
            asked.sorted { "\($0)" < "\($1)" }.map { device in
                PlacementDevice(
                    name: DeviceName(job: task.job, replica: 0, task: task.task, type: device.type, index: device.index), incarnation: 1,
                    isLocal: task.job == "worker" || tasks.count == 1)
            }
        }
        guard let placed = try? Placer(devices: devices).place(graph) else { return [] }
        return PlacementReport(placed).rows.map { ($0.device, $0.opCount, $0.byteCount) }
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
