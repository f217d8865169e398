import WeirGraph
public import WeirTensor

/// One client for each worker; each applies its gradients to the shared variables as soon as they are computed.
///
/// The variables are on the parameter servers. A worker with several devices computes a batch on each of them in a step, and applies the
/// mean of their gradients. A gradient may be stale: computed from variables that others have updated since.
/// Dean et al., *Large Scale Distributed Deep Networks*, 2012. With `maximumLead` the staleness is bounded: Ho et al., *More
/// Effective Distributed ML via a Stale Synchronous Parallel Parameter Server*, 2013.
///
/// Each step reports its staleness. The number of updates is read before the variables are, and again after this worker's own
/// update. The updates by others between the two are counted. So an update that came after the first read of the number, but before
/// the variables were read, is counted although the gradient has seen it. And for each other worker one update is not counted if it
/// had changed only some of the variables by then.
public struct AsynchronousReplicas: Strategy {
    package static let strategyName = "async"
    /// `async`.
    public let name = AsynchronousReplicas.strategyName
    /// How many steps a worker may be ahead of the slowest; nil for no limit. With `n`, a worker that has done `c` steps begins the
    /// next one when each other worker has done at least `c - n`. With 0, all do each step together. Of `w` workers, a step's
    /// staleness is at most `(w - 1) · (2n + 1)`: during it, another can go from `n` steps behind to `n + 1` ahead.
    public var maximumLead: Int?

    /// Makes the strategy.
    /// - Parameter maximumLead: between 0 and 1 000 000; nil for no limit.
    public init(maximumLead: Int? = nil) { self.maximumLead = maximumLead }

    /// Makes one client for each worker.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWorkers(self)
        try setting.requireDevices(self)
        try setting.requireParameterServers(self)
        if let maximumLead, !(0...1_000_000).contains(maximumLead) {
            throw .invalidArgument("The lead of a worker must be between 0 and 1000000 steps, found \(maximumLead)")
        }
        let tasks = setting.workerTasks
        var clients: [TrainingClient] = []
        for task in tasks {
            var limit: LeadLimit?
            var client = try WorkerGraph(model, setting, task: task).client { builder, globalStep in
                limit = maximumLead.flatMap {
                    tasks.count > 1 ? LeadLimit(builder, of: task, among: tasks, maximum: $0, runSuffix: setting.runSuffix, beside: globalStep) : nil
                }
                let gates = limit?.gates ?? []
                let readCount = builder.controlDependencies(gates) { globalStep.read() }
                return WorkerGraph.Beginning(readCount: readCount, gates: gates)
            } _: { builder, gradients, globalStep in
                let applied = builder.apply(setting.optimizer, gradients, globalStep: globalStep)
                var update = WorkerGraph.Update(step: applied.operation, variables: applied.variables, averages: applied.averages)
                if let limit {
                    update.ending = { limit.release(builder) }
                    update.initializers = limit.initializers
                    update.resources = limit.queues
                }
                return update
            }
            client.gates = limit?.control
            clients.append(client)
        }
        var plan = TrainingPlan(clients: clients, requiredWorkers: 1, hasClientForEachWorker: true)
        plan.goesOnWithoutCheckpoint = true
        return plan
    }
}
