import WeirGraph
public import WeirTensor

/// One client for each worker; each applies its gradients to the shared variables as soon as they are computed.
///
/// The variables are on the parameter servers. A gradient may be stale: computed from variables that others have updated since.
/// Dean et al., *Large Scale Distributed Deep Networks*, 2012.
public struct AsynchronousReplicas: Strategy {
    /// `async`.
    public let name = "async"
    /// Makes the strategy.
    public init() {}

    /// Makes one client for each worker.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWorkers(self)
        try setting.requireParameterServers(self)
        var clients: [TrainingClient] = []
        for task in setting.workerTasks {
            clients.append(
                try WorkerGraph(model, setting, task: task).client { builder, gradients, globalStep in
                    // Read with the variables: what others have updated until this worker's own update is the staleness.
                    let readCount = globalStep.value
                    let update = builder.apply(setting.optimizer, gradients, globalStep: globalStep)
                    return WorkerGraph.Update(step: update.operation, variables: update.variables, readCount: readCount)
                })
        }
        return TrainingPlan(clients: clients, requiredWorkers: 1)
    }
}
