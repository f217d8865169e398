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
    /// The rows to train and to test on; the error that reading their classes had.
    private let rows: Result<(train: Dataset, test: Dataset), Status>

    /// - Parameters:
    ///   - fold: the fold that is held out, counted from 0.
    ///   - cluster: jobs `ps` and `worker`; without tasks, training is in this process.
    public init(_ options: TrainingOptions, fold: Int = 0, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }) {
        self.init(
            options, Result { () throws(Status) in try options.data.fold(fold, of: options.foldCount, seed: UInt64(bitPattern: Int64(options.seed))) },
            cluster, onEvent)
    }

    /// Makes a training with rows that are divided already, in place of `options.data`. The values are taken as they are.
    /// - Parameters:
    ///   - train: the rows to train on.
    ///   - test: the rows to test on.
    ///   - cluster: jobs `ps` and `worker`; without tasks, training is in this process.
    public init(
        _ options: TrainingOptions, train: Dataset, test: Dataset, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }
    ) {
        self.init(options, .success((train, test)), cluster, onEvent)
    }

    /// Makes a training with tables that are divided already. The features are taken as they are.
    public init(
        _ options: TrainingOptions, train: Table, test: Table, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }
    ) {
        self.init(options, .success((Dataset(train), Dataset(test))), cluster, onEvent)
    }

    private init(
        _ options: TrainingOptions, _ rows: Result<(train: Dataset, test: Dataset), Status>, _ cluster: ClusterSpec, _ onEvent: @escaping OnEvent
    ) {
        self.options = options
        self.onEvent = onEvent
        self.rows = rows
        setting = TrainingSetting(
            cluster: cluster, devices: options.devices, optimizer: options.optimizer, batchSize: options.batchSize, balance: options.balance,
            partitioning: options.partitioning)
    }

    /// Trains and tests.
    /// - Throws: `invalidArgument` when the options are wrong, or two tasks of the cluster have one address; the error of a folder in which
    ///   checkpoints cannot be saved; `unavailable` with the names of the servers that have not answered when
    ///   `TrainingOptions.startTimeout` passes; the root cause, with the task's name, when a server that training needs is lost.
    public func run() async throws -> TrainingReport {
        try await TrainingAttempts(options: options, rows: rows.get(), onEvent: onEvent) { () throws(Status) in
            var setting = self.setting
            // Of each attempt: a step of the one before that still runs on a server finds none of the queues of the next.
            setting.runNumber = TrainingSetting.newRunNumber()
            let plan = try checkedPlan(setting)
            return (plan, setting, plan.clients)
        }.run()
    }

    /// Runs the client of one worker, as one of several processes. The chief, the first worker, initializes the variables.
    ///
    /// All processes must have the same options. Trainings with the same options that run at the same time on the same servers must have
    /// different `TrainingOptions.runName`s.
    /// - Throws: `invalidArgument` when the options are wrong, when the strategy has one client for all workers, or when the job
    ///   `worker` has no such task; the root cause when a required server is lost.
    public func run(asWorker task: Int) async throws -> TrainingReport {
        try await TrainingAttempts(options: options, rows: rows.get(), onEvent: onEvent) { () throws(Status) in
            var setting = self.setting
            setting.runNumber = runNumberOfAll
            let plan = try checkedPlan(setting)
            return (plan, setting, [try client(ofWorker: task, plan)])
        }.run()
    }

    private func client(ofWorker task: Int, _ plan: TrainingPlan) throws(Status) -> TrainingClient {
        guard setting.workerTasks.contains(task) else {
            throw .invalidArgument("Task \(task) is not in job 'worker', whose tasks are \(setting.workerTasks)")
        }
        guard plan.hasClientForEachWorker, let number = setting.workerTasks.firstIndex(of: task),
            let client = plan.clients.first(where: { $0.worker == number })
        else {
            throw .invalidArgument(
                "Strategy '\(options.strategy.name)' has one client for all workers; expected one with a client for each, such as 'sync' or "
                    + "'async', to run as worker \(task)")
        }
        if options.recovery != nil, plan.clients.contains(where: { $0.worker != 0 && $0.lifecycle.initializer != nil }) {
            // Each would choose the checkpoint to go on from by itself.
            throw .unimplemented(
                "Recovery of strategy '\(options.strategy.name)', whose workers have variables of their own, needs all clients in one process; found "
                    + "only that of worker \(task)")
        }
        return client
    }

    /// The run number on which processes with the same options, one for each worker, agree without a message.
    private var runNumberOfAll: Int {
        let variables = options.model.parameters.map { "\($0.name) \($0.dtype) \($0.shape)" }
        let facts =
            [options.runName ?? "", setting.cluster.json, options.strategy.name, options.optimizer.name, setting.devices.joined(separator: ",")]
            + ["\(options.stepCount) \(options.batchSize) \(options.seed)"] + variables
        return TrainingSetting.runNumber(of: facts.joined(separator: "\n"))
    }

    /// Checks the options against the data and the cluster, and makes the plan. Nothing starts.
    /// - Throws: `invalidArgument` when the options are wrong, or the strategy does not suit the model or the cluster.
    package func checkedPlan() throws(Status) -> TrainingPlan { try checkedPlan(setting) }

    private func checkedPlan(_ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        guard options.stepCount > 0, options.batchSize > 0 else {
            throw .invalidArgument("steps and batch size must be at least 1, found \(options.stepCount) and \(options.batchSize)")
        }
        let rows = try rows.get()
        guard rows.train.rowCount > 0, rows.test.rowCount > 0 else {
            throw .invalidArgument(
                "Each of \(options.foldCount) folds must have rows, and leave rows to train on; the data have \(options.data.rowCount) rows, of which "
                    + "\(rows.train.rowCount) are to train on and \(rows.test.rowCount) to test on")
        }
        if let rate = options.optimizer.learningRate.constant, !rate.isFinite {
            throw .invalidArgument("The learning rate must be finite, found \(rate)")
        }
        try options.checkpoint?.check()
        try options.recovery?.check()
        if let interval = options.evaluationInterval, interval < 1 {
            throw .invalidArgument("Updates from one evaluation to the next must be at least 1, found \(interval)")
        }
        if let count = options.evaluationBatchSize, count < 1 {
            throw .invalidArgument("Rows that are evaluated at a time must be at least 1, found \(count)")
        }
        try setting.requireWorkers()
        try checkClasses(rows.train)
        var plan = try options.strategy.plan(options.model, setting)
        // Each task is needed: a task at the address of another one would never answer as itself.
        if plan.clients.contains(where: { $0.master != nil }) { try setting.cluster.requireDistinctAddresses() }
        guard let chief = plan.clients.first else { throw .internalError("Strategy '\(options.strategy.name)' made a plan without clients") }
        for shard in plan.clients.flatMap(\.shards) { _ = try BatchFeeds(shard.inputs, rows.train.columns) }
        // After the check of the columns: rows that are no rows of the model say nothing of its batches.
        try checkBatches(of: plan, rowCount: rows.train.rowCount)
        if let checkpoint = options.checkpoint {
            guard chief.state != nil else { throw .unimplemented("Strategy '\(options.strategy.name)' does not save checkpoints") }
            let facts = CheckpointFacts(options)
            for index in plan.clients.indices { try plan.clients[index].addSaver(checkpoint, facts) }
        }
        return plan
    }

    /// Checks that a classifier has an output for each class that the rows name.
    private func checkClasses(_ rows: Dataset) throws(Status) {
        let classes = rows.columns.first { $0.name == "labels" }?.classes
        guard let classes, let count = options.model.classCount, count < classes.count else { return }
        let names = classes.prefix(5).joined(separator: ", ") + (classes.count > 5 ? ", …" : "")
        throw .invalidArgument(
            "The rows have \(classes.count) classes (\(names)), and the classifier's predictions have \(count) numbers a row; expected one for each class: "
                + "give the last layer \(classes.count) units, such as Dense(\(classes.count))")
    }

    /// Checks that there are enough rows to train on for the batches of a step.
    private func checkBatches(of plan: TrainingPlan, rowCount: Int) throws(Status) {
        let size = options.batchSize
        guard size <= rowCount else {
            throw .invalidArgument("The batch size must be at most \(rowCount), the number of rows to train on, found \(size)")
        }
        for count in plan.clients.flatMap(\.shards).map(\.batches) where size > rowCount / count && rowCount % count != 0 {
            throw .invalidArgument(
                "A step takes \(count) batches at once; the batch size must be at most \(rowCount / count), as there are \(rowCount) rows to train on, "
                    + "found \(size)")
        }
    }
}
