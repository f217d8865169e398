import WeirGraph
public import WeirTensor

/// One client for each worker; the gradients of several workers are averaged on the parameter servers and applied once for all.
///
/// The variables are on the parameter servers, and each worker computes on its first device. See `SyncReplicas`, which builds the
/// accumulators and the token queue.
public struct SynchronousReplicas: Strategy {
    /// `sync`.
    public let name = "sync"
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
                    let sync = SyncReplicas(
                        builder, setting.optimizer, gradients, globalStep: globalStep, required: count, workerCount: tasks.count,
                        workerName: "worker\(task)", ledgerWorker: ledger ? number : nil, overlaps: true)
                    var update = WorkerGraph.Update(step: sync.workerStep, variables: sync.variables, averages: sync.averages)
                    update.preparation = sync.localInitializer
                    update.resources = sync.resources
                    update.resets = sync.resets
                    update.initializers = sync.initializers
                    if number == 0 {
                        var loop = UpdateLoop(step: sync.chiefStep, close: sync.closeTokens, contributions: sync.contributions)
                        loop.inFlight = sync.allowsOverlap ? 2 : 1
                        update.loop = loop
                    }
                    return update
                })
        }
        return TrainingPlan(clients: clients, requiredWorkers: count, gradientsPerUpdate: count)
    }
}
