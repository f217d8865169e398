public import WeirCluster
import WeirGraph
public import WeirTensor

/// A way to split the work of training over devices and servers.
///
/// A strategy turns a model into graphs and the clients that run them. The model knows nothing of it. See the guide *Splitting
/// the work* for when to take which.
public protocol Strategy: Sendable {
    /// The name, as `weir train --strategy` takes it.
    var name: String { get }
    /// Makes the graphs and clients of one training.
    /// - Throws: `invalidArgument` when the model or the cluster cannot be split this way, before anything starts.
    func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan
}

/// What a strategy has to work with.
public struct TrainingSetting: Sendable {
    /// The cluster, with jobs `ps` and `worker`; without tasks, training is in this process.
    public var cluster: ClusterSpec
    /// The devices of this process, or of each worker, that compute: `/cpu:0`, `/gpu:1`.
    public var devices: [String]
    /// The optimizer.
    public var optimizer: any Optimizer
    /// The number of rows for one gradient of a replica.
    public var batchSize: Int
    /// How variables are spread over the parameter servers.
    public var balance: ReplicaDeviceSetter.Balance
    /// How large variables are cut into parts; nil leaves all whole.
    public var partitioning: VariablePartitioning?

    /// Describes a setting.
    public init(
        cluster: ClusterSpec = ClusterSpec(), devices: [String] = ["/cpu:0"], optimizer: any Optimizer, batchSize: Int,
        balance: ReplicaDeviceSetter.Balance = .roundRobin, partitioning: VariablePartitioning? = nil
    ) {
        self.cluster = cluster
        self.devices = devices
        self.optimizer = optimizer
        self.batchSize = batchSize
        self.balance = balance
        self.partitioning = partitioning
    }

    /// The numbers of the tasks of job `worker`.
    public var workerTasks: [Int] { cluster.taskIndices(job: "worker") }
    /// The number of tasks of job `ps`.
    public var parameterServerCount: Int { cluster.taskIndices(job: "ps").count }
    /// The device scopes that compute: each device of each worker, or those of this process.
    public var computeDevices: [String] {
        workerTasks.isEmpty ? devices : workerTasks.flatMap { task in devices.map { "/job:worker/task:\(task)\($0)" } }
    }

    /// Checks that the cluster has workers.
    /// - Throws: `invalidArgument` when it has none.
    func requireWorkers(_ strategy: some Strategy) throws(Status) {
        guard workerTasks.isEmpty else { return }
        throw .invalidArgument("Strategy '\(strategy.name)' needs a job 'worker' with at least one task; the cluster has none")
    }
    /// Checks that variables are to stay whole, for a strategy that cannot cut them.
    /// - Throws: `invalidArgument` when they are to be cut.
    package func requireWholeVariables(_ strategy: some Strategy) throws(Status) {
        guard partitioning != nil else { return }
        throw .invalidArgument(
            "Strategy '\(strategy.name)' does not cut variables into parts; 'sync', 'async', 'in-graph' and 'single' do")
    }
    /// Checks that the cluster has parameter servers if it has several workers.
    /// - Throws: `invalidArgument` when it has none.
    func requireParameterServers(_ strategy: some Strategy) throws(Status) {
        guard parameterServerCount == 0, workerTasks.count > 1 else { return }
        throw .invalidArgument(
            "Strategy '\(strategy.name)' with \(workerTasks.count) workers needs a job 'ps' with at least one task, which holds the "
                + "variables that they share; the cluster's jobs are \(cluster.jobs.keys.sorted().joined(separator: ", "))")
    }
}
