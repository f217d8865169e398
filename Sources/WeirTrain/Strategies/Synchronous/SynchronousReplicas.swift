import WeirGraph
public import WeirTensor

/// One client for each worker; the gradients of several workers are averaged on the parameter servers and applied once for all.
///
/// The variables are on the parameter servers. A worker with several devices computes a batch on each of them, and the mean of their
/// gradients is its gradient. See `SyncReplicasOptimizer`, which builds the accumulators and the token queue.
public struct SynchronousReplicas: Strategy {
    package static let strategyName = "sync"
    /// `sync`.
    public let name = SynchronousReplicas.strategyName
    /// The number of gradients for an update, between 1 and the number of workers; the other workers are backups. nil requires
    /// all.
    public var required: Int?
    /// Whether each update records how many gradients of each worker it used: `TrainingEvent.updated` and `TrainingReport.ledger`.
    /// It costs a copy of each dense gradient on the worker, and one on the parameter server.
    public var ledger: Bool
    /// Makes the strategy.
    public init(required: Int? = nil, ledger: Bool = false) {
        self.required = required
        self.ledger = ledger
    }

    /// Makes one client for each worker. The chief's also runs the loop that updates the variables.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWorkers(self)
        try setting.requireDevices(self)
        try setting.requireParameterServers(self)
        let tasks = setting.workerTasks
        let count = required ?? tasks.count
        guard (1...tasks.count).contains(count) else {
            throw .invalidArgument("Gradients required for an update must be between 1 and the \(tasks.count) workers, found \(count)")
        }
        var clients: [TrainingClient] = []
        for (number, task) in tasks.enumerated() {
            clients.append(
                try WorkerGraph(model, setting, task: task).client { builder, gradients, globalStep in
                    let sync = SyncReplicasOptimizer(
                        builder, setting.optimizer, gradients, globalStep: globalStep, required: count, workerCount: tasks.count,
                        workerName: "worker\(task)", ledgerWorker: ledger ? number : nil, overlaps: true,
                        run: SyncReplicasOptimizer.Run(suffix: setting.runSuffix, workerNames: tasks.map { "worker\($0)" }))
                    var update = WorkerGraph.Update(step: sync.workerStep, variables: sync.variables, averages: sync.averages)
                    update.preparation = sync.localInitializer
                    update.returning = sync.localReset
                    update.resources = sync.resources
                    update.resets = sync.resets
                    update.initializers = sync.initializers
                    update.awaited = sync.awaited
                    if number == 0 {
                        var loop = UpdateLoop(step: sync.chiefStep, close: sync.closeTokens, contributions: sync.contributions)
                        loop.inFlight = sync.allowsOverlap ? 2 : 1
                        update.loop = loop
                    }
                    return update
                })
        }
        return TrainingPlan(clients: clients, requiredWorkers: count, gradientsPerUpdate: count, hasClientForEachWorker: true)
    }
}
