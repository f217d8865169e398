import WeirGraph
import WeirOps
public import WeirTensor

/// One client for each worker. Variables of which the model only gathers rows are on the parameter servers; all others are on each
/// worker, and the workers sum the gradients of these among themselves. Synchronous.
///
/// A large table moves only the rows that a batch needs, and the dense variables move as in an all-reduce, without a server that all
/// have to pass. Kim et al., *Parallax: Sparsity-aware Data Parallel Training of Deep Neural Networks*, 2019.
///
/// A step is one update of all variables. The first worker's client updates the tables with the gradients of all workers, which reach
/// it through queues on the servers. Every worker's step ends when it has updated its own variables and the tables are updated.
/// So the next step of any worker sees this update everywhere, and this step's rows were gathered before it: no update of
/// the tables begins without each worker's gradients, which follow from its rows. Nothing waits in a circle, because the gradients
/// of a step wait for neither the sums nor the updates of the same step. With powers of two, training has the same bits in every run
/// and for any number of workers, as with `AllReduceReplicas`.
public struct HybridReplicas: Strategy {
    package static let strategyName = "hybrid"
    /// `hybrid`.
    public let name = HybridReplicas.strategyName
    /// The number of batches of a step, by all workers together: a multiple of the number of all devices; nil means one for each.
    public var shards: Int?
    /// Gradients of dense variables are sent together when they have this many bytes.
    public var bucketByteCount: Int
    /// Makes the strategy.
    public init(shards: Int? = nil, bucketByteCount: Int = 4 << 20) {
        self.shards = shards
        self.bucketByteCount = bucketByteCount
    }

    /// Makes one client for each worker.
    /// - Throws: `invalidArgument` when there are no workers, no parameter servers, or no variable of which the model only gathers
    ///   rows, or the devices do not divide the number of shards.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWorkers(self)
        guard setting.parameterServerCount > 0 else {
            throw .invalidArgument(
                "Strategy 'hybrid' needs a job 'ps' with at least one task, for the variables of which the model only gathers rows; found "
                    + "\(setting.jobs). Without parameter servers, take 'allreduce'")
        }
        guard model.parameters.contains(where: \.isGathered) else {
            throw .invalidArgument(
                "Strategy 'hybrid' needs a variable of which the model only gathers rows, to keep it on the parameter servers; every trained "
                    + "variable is used as a whole: \(model.parameters.map(\.name).joined(separator: ", ")). Take 'allreduce', or 'sync' to "
                    + "keep all variables on the servers")
        }
        let byteCount = try GradientBuckets.checked(bucketByteCount)
        let shardCount = try setting.towerDevices(shards, self).count / setting.workerTasks.count
        var clients: [TrainingClient] = []
        for (number, task) in setting.workerTasks.enumerated() {
            let devices = try setting.alone(task).towerDevices(shardCount, self)
            let graph = HybridGraph(setting, worker: number, bucketByteCount: byteCount)
            clients.append(try graph.client(model.drawingOtherNumbers(UInt64(number)), task: task, devices: devices))
        }
        return TrainingPlan(clients: clients, requiredWorkers: clients.count, hasClientForEachWorker: true)
    }
}
