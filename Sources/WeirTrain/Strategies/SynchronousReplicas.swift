import WeirGraph
public import WeirTensor

/// One client for each worker; the gradients of several workers are averaged on the parameter servers and applied once for all.
///
/// See `SyncReplicas`, which builds the accumulators and the token queue.
public struct SynchronousReplicas: Strategy {
    /// `sync`.
    public let name = "sync"
    /// The number of gradients for an update, between 1 and the number of workers; the other workers are backups. nil requires
    /// all.
    public var required: Int?
    /// Makes the strategy.
    public init(required: Int? = nil) { self.required = required }

    /// Makes one client for each worker. The chief's also runs the loop that updates the variables.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWorkers(self)
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
                        workerName: "worker\(task)")
                    var update = WorkerGraph.Update(step: sync.workerStep, variables: sync.variables)
                    update.preparation = sync.localInitializer
                    update.resources = sync.resources
                    if number == 0 { update.loop = UpdateLoop(step: sync.chiefStep, close: sync.closeTokens) }
                    return update
                })
        }
        return TrainingPlan(clients: clients, requiredWorkers: count, gradientsPerUpdate: count)
    }
}
