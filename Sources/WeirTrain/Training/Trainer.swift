public import WeirCluster
import WeirGraph
package import WeirTensor

/// Trains a model with one of the strategies, on a cluster or in this process, and tests it on one held-out fold of the rows.
/// `CrossValidation` does this for each fold.
public struct Trainer: Sendable {
    /// Receives the events of training. It may be called from several threads at once.
    public typealias OnEvent = @Sendable (TrainingEvent) -> Void
    private let options: TrainingOptions
    private let setting: TrainingSetting
    private let onEvent: OnEvent
    private let train: Table
    private let test: Table

    /// - Parameters:
    ///   - fold: the fold that is held out, counted from 0.
    ///   - cluster: jobs `ps` and `worker`; without tasks, training is in this process.
    public init(_ options: TrainingOptions, fold: Int = 0, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }) {
        let parts = options.table.fold(fold, of: options.foldCount, seed: UInt64(bitPattern: Int64(options.seed)))
        let moments = parts.train.moments
        self.init(
            options, train: parts.train.standardized(moments), test: parts.test.standardized(moments), cluster: cluster, onEvent: onEvent)
    }

    /// Makes a training with rows that are divided already, in place of `options.table`. The features are taken as they are.
    /// - Parameters:
    ///   - train: the rows to train on.
    ///   - test: the rows to test on.
    ///   - cluster: jobs `ps` and `worker`; without tasks, training is in this process.
    public init(
        _ options: TrainingOptions, train: Table, test: Table, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }
    ) {
        self.options = options
        self.onEvent = onEvent
        self.train = train
        self.test = test
        setting = TrainingSetting(
            cluster: cluster, devices: options.devices, optimizer: options.optimizer, batchSize: options.batchSize, balance: options.balance,
            partitioning: options.partitioning)
    }

    /// Trains and tests.
    /// - Throws: `invalidArgument` when the options are wrong; the root cause, with the task's name, when a server that training
    ///   needs is lost.
    public func run() async throws -> TrainingReport {
        let plan = try checkedPlan()
        return try await TrainingRun(plan, options, setting, train: train, test: test, onEvent: onEvent).run(plan.clients)
    }

    /// Runs the client of one worker, as one of several processes. The chief, the first worker, initializes the variables.
    /// - Throws: `invalidArgument` when the options are wrong, when the strategy has one client for all workers, or when the job
    ///   `worker` has no such task; the root cause when a required server is lost.
    public func run(asWorker task: Int) async throws -> TrainingReport {
        let plan = try checkedPlan()
        guard setting.workerTasks.contains(task) else {
            throw Status.invalidArgument("Task \(task) is not in job 'worker', whose tasks are \(setting.workerTasks)")
        }
        guard plan.clients.count == setting.workerTasks.count, let number = setting.workerTasks.firstIndex(of: task),
            let client = plan.clients.first(where: { $0.worker == number }), client.lifecycle.awaited != nil || client.lifecycle.initializer != nil,
            client.master != nil, plan.clients.count > 1 || client.lifecycle.awaited != nil
        else {
            throw Status.invalidArgument(
                "Strategy '\(options.strategy.name)' has one client for all workers; expected one with a client for each, such as 'sync' or "
                    + "'async', to run as worker \(task)")
        }
        return try await TrainingRun(plan, options, setting, train: train, test: test, onEvent: onEvent).run([client])
    }

    /// Checks the options against the table and the cluster, and makes the plan. Nothing starts.
    /// - Throws: `invalidArgument` when the options are wrong, or the strategy does not suit the model or the cluster.
    package func checkedPlan() throws(Status) -> TrainingPlan {
        guard options.stepCount > 0, options.batchSize > 0 else {
            throw .invalidArgument("steps and batch size must be at least 1, found \(options.stepCount) and \(options.batchSize)")
        }
        guard train.rowCount > 0, test.rowCount > 0 else {
            throw .invalidArgument(
                "Each of \(options.foldCount) folds must have rows, and leave rows to train on; the table has \(options.table.rowCount) rows")
        }
        try options.checkpoint?.check()
        if let interval = options.evaluationInterval, interval < 1 {
            throw .invalidArgument("Updates from one evaluation to the next must be at least 1, found \(interval)")
        }
        var plan = try options.strategy.plan(options.model, setting)
        guard let chief = plan.clients.first else { throw .internalError("Strategy '\(options.strategy.name)' made a plan without clients") }
        if let checkpoint = options.checkpoint {
            guard chief.state != nil else { throw .unimplemented("Strategy '\(options.strategy.name)' does not save checkpoints") }
            for index in plan.clients.indices { try plan.clients[index].addSaver(checkpoint) }
        }
        return plan
    }
}
