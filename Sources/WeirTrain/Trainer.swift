import Synchronization
public import WeirCluster
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor
import WeirWire

/// Trains a dense network with one of the strategies, on a cluster or in this process, and tests it on one held-out fold of the
/// rows. `CrossValidation` does this for each fold.
public struct Trainer: Sendable {
    /// Receives the events of training. It may be called from several threads at once.
    public typealias OnEvent = @Sendable (TrainingEvent) -> Void
    let options: TrainingOptions
    let cluster: ClusterSpec
    let onEvent: OnEvent
    let train: Table
    let test: Table

    /// - Parameters:
    ///   - fold: the fold that is held out, counted from 0.
    ///   - cluster: jobs `ps` and `worker`; the strategy `single` does not use it.
    public init(_ options: TrainingOptions, fold: Int = 0, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }) {
        self.options = options
        self.cluster = cluster
        self.onEvent = onEvent
        let parts = options.table.fold(fold, of: options.foldCount, seed: UInt64(bitPattern: Int64(options.seed)))
        let moments = parts.train.moments
        train = parts.train.standardized(moments)
        test = parts.test.standardized(moments)
    }

    /// Reports every two seconds that a session cannot be created yet. The caller cancels the task.
    func reportWaitingForSession(_ address: String) -> Task<Void, Never> {
        Task.repeating(every: .seconds(2)) { [onEvent] in
            onEvent(.notice("waiting for a session on \(address): it does not answer, or a task that it needs does not answer it"))
        }
    }

    var workerTasks: [Int] { cluster.taskIndices(job: "worker") }
    var parameterServerCount: Int { cluster.taskIndices(job: "ps").count }
    var requiredReplicas: Int { min(options.requiredReplicas ?? workerTasks.count, workerTasks.count) }

    /// Trains and tests.
    /// - Throws: `invalidArgument` when the options are wrong; the root cause, with the task's name, when a server that training
    ///   needs is lost.
    public func run() async throws -> TrainingReport {
        try check()
        switch options.strategy {
        case .single, .inGraph: return try await runInGraph()
        case .sync, .async: return try await runBetweenGraph(workerTasks)
        }
    }

    /// Runs the client of one worker, as one of several processes. The chief, the first worker, initializes the variables.
    /// - Throws: `invalidArgument` when the options are wrong, when the strategy has one client for all workers, or when the job
    ///   `worker` has no such task; the root cause when a required server is lost.
    public func run(asWorker task: Int) async throws -> TrainingReport {
        try check()
        guard [.sync, .async].contains(options.strategy) else {
            throw Status.invalidArgument(
                "Strategy '\(options.strategy.rawValue)' has one client for all workers; expected 'sync' or 'async' to run as worker \(task)")
        }
        guard workerTasks.contains(task) else {
            throw Status.invalidArgument("Task \(task) is not in job 'worker', whose tasks are \(workerTasks)")
        }
        return try await runBetweenGraph([task])
    }

    /// Checks the options against the table and the cluster.
    private func check() throws(Status) {
        guard options.stepCount > 0, options.batchSize > 0 else {
            throw .invalidArgument("steps and batch size must be at least 1, found \(options.stepCount) and \(options.batchSize)")
        }
        guard train.rowCount > 0, test.rowCount > 0 else {
            throw .invalidArgument(
                "Each of \(options.foldCount) folds must have rows, and leave rows to train on; the table has \(options.table.rowCount) rows")
        }
        guard options.strategy == .single || !workerTasks.isEmpty else {
            throw .invalidArgument("Strategy '\(options.strategy.rawValue)' needs a job 'worker' with at least one task; the cluster has none")
        }
        if let required = options.requiredReplicas, options.strategy == .sync, !(1...workerTasks.count).contains(required) {
            throw .invalidArgument("Gradients required for an update must be between 1 and the \(workerTasks.count) workers, found \(required)")
        }
        if parameterServerCount == 0, workerTasks.count > 1, [.sync, .async].contains(options.strategy) {
            throw .invalidArgument(
                "Strategy '\(options.strategy.rawValue)' with \(workerTasks.count) workers needs a job 'ps' with at least one task, "
                    + "which holds the variables that they share; the cluster's jobs are \(cluster.jobs.keys.sorted().joined(separator: ", "))")
        }
    }
}
