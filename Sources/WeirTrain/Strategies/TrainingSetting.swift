public import WeirCluster
import WeirTensor

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
    /// Tells the training from others on the same servers, at the same time or before: the keys of collective operations and the names
    /// of queues have it. From 1 to `Int32.max`. Plans that are made apart, by a process for each worker, must have the same.
    public var runNumber = TrainingSetting.newRunNumber()

    /// Describes a setting, with a run number of its own.
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

    /// A run number that almost surely no other training has.
    static func newRunNumber() -> Int { Int(Int32.random(in: 1...Int32.max)) }
    /// The run number of a text, in every process the same: FNV-1a.
    static func runNumber(of text: String) -> Int {
        let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return max(1, Int((hash ^ hash >> 32) & 0x7FFF_FFFF))
    }
    /// The end of the names of what only this training uses on the servers.
    var runSuffix: String { "/run_\(runNumber)" }
    /// The numbers of the tasks of job `worker`.
    public var workerTasks: [Int] { cluster.taskIndices(job: "worker") }
    /// The number of tasks of job `ps`.
    public var parameterServerCount: Int { cluster.taskIndices(job: "ps").count }
    /// The device scopes that compute: each device of each worker, or those of this process.
    public var computeDevices: [String] {
        workerTasks.isEmpty ? devices : workerTasks.flatMap { task in devices.map { "/job:worker/task:\(task)\($0)" } }
    }

    /// The first worker, whose master the client of a strategy with one client uses; nil without workers.
    var firstWorker: DeviceName? { workerTasks.first.map(TrainingSetting.worker) }
    /// The name of a task of job `worker`.
    static func worker(_ task: Int) -> DeviceName { DeviceName(job: "worker", replica: nil, task: task) }

    /// The setting of one worker alone: without the other workers and without parameter servers.
    /// - Parameter task: nil for this process.
    func alone(_ task: Int?) throws(Status) -> TrainingSetting {
        var setting = self
        setting.cluster = ClusterSpec()
        guard let task else { return setting }
        guard let address = cluster.address(job: "worker", task: task) else { throw .internalError("The cluster has no worker \(task)") }
        setting.cluster = try ClusterSpec(["worker": [task: address]])
        return setting
    }
}

extension TrainingSetting {
    /// Checks that there is a device that computes.
    /// - Throws: `invalidArgument` when there is none.
    func requireDevices(_ strategy: some Strategy) throws(Status) {
        guard devices.isEmpty else { return }
        throw .invalidArgument("Strategy '\(strategy.name)' needs at least one device, such as /cpu:0; found none")
    }
    /// Checks that the cluster has workers.
    /// - Throws: `invalidArgument` when it has none.
    func requireWorkers(_ strategy: some Strategy) throws(Status) {
        guard workerTasks.isEmpty else { return }
        try requireWorkers()
        throw .invalidArgument(
            "Strategy '\(strategy.name)' trains on servers, found no cluster; weir train --cluster local:ps=1,worker=2 starts one on this machine, and "
                + "Trainer takes one as 'cluster'")
    }
    /// Checks that a cluster has workers: training would leave it idle.
    /// - Throws: `invalidArgument` when there is a cluster without workers.
    func requireWorkers() throws(Status) {
        guard workerTasks.isEmpty, !cluster.tasks.isEmpty else { return }
        throw .invalidArgument("Training on a cluster needs a job 'worker' with at least one task; found \(jobs)\(hint("worker"))")
    }
    /// Which of the cluster's jobs a job may be a mistake for.
    private func hint(_ job: String) -> String {
        let near = job.nearest(among: cluster.jobs.keys)
        return near.isEmpty ? "" : "; is '\(near[0])' meant to be '\(job)'?"
    }
    /// Checks that variables are to stay whole, for a strategy that cannot cut them.
    /// - Throws: `invalidArgument` when they are to be cut.
    func requireWholeVariables(_ strategy: some Strategy) throws(Status) {
        guard partitioning != nil else { return }
        throw .invalidArgument(
            "Strategy '\(strategy.name)' does not cut variables into parts; expected one of "
                + StrategyCatalog.names(taking: .partBytes).joined(separator: ", "))
    }
    /// The cluster's jobs, for messages.
    var jobs: String { cluster.jobs.isEmpty ? "no jobs" : "only " + cluster.jobs.keys.sorted().joined(separator: ", ") }
    /// Checks that the cluster has parameter servers if it has several workers.
    /// - Throws: `invalidArgument` when it has none.
    func requireParameterServers(_ strategy: some Strategy) throws(Status) {
        guard parameterServerCount == 0, workerTasks.count > 1 else { return }
        throw .invalidArgument(
            "Strategy '\(strategy.name)' with \(workerTasks.count) workers needs a job 'ps' with at least one task, which holds the "
                + "variables that they share; found \(jobs)\(hint("ps"))")
    }
}
