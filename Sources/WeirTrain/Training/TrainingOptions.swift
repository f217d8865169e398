public import WeirGraph
public import WeirRuntime
public import WeirTensor

/// The data, the model and the parameters of training.
public struct TrainingOptions: Sendable {
    /// The model.
    public var model: ModelGraph
    /// The rows to train and test on.
    public var data: TrainingData
    /// How the work is split.
    public var strategy: any Strategy
    /// The optimizer.
    public var optimizer: any Optimizer
    /// The number of updates of the variables, by all workers together; at least 1.
    public var stepCount: Int
    /// The number of rows for one gradient of a replica; at least 1.
    public var batchSize: Int
    /// The seed of the folds and the batches.
    public var seed: Int
    /// The number of folds for cross-validation; each is held out once, for testing. Data that are divided already have no folds.
    public var foldCount = 5
    /// The number of folds that `CrossValidation` holds out, each in a training of its own, from the first on; nil for all. One is enough where rows
    /// are many, or training takes long.
    public var trainedFoldCount: Int?
    /// The most rows that are evaluated at a time, at least 1; nil for as many as 64 MiB hold. A model whose activations take much more memory than
    /// its rows, as those of sequences do, needs a limit.
    public var evaluationBatchSize: Int?
    /// Whether the report has metrics on all training rows, which are read once more for it.
    public var evaluatesTrainingRows = true
    /// How variables are spread over the parameter servers.
    public var balance = ReplicaDeviceSetter.Balance.roundRobin
    /// How large variables are cut into parts on several parameter servers; nil leaves all whole.
    public var partitioning: VariablePartitioning?
    /// Where and when the state is saved, and from where training begins; nil saves nothing.
    public var checkpoint: TrainingCheckpoint?
    /// How training goes on when a task is lost and returns; nil leaves out workers that are lost, and ends with an error when a task is
    /// lost that it needs. Only where something starts lost tasks again does waiting for them help.
    public var recovery: TrainingRecovery?
    /// The number of updates from one evaluation on the held-out rows to the next; nil evaluates at the end only. See
    /// `TrainingEvent.evaluated`.
    public var evaluationInterval: Int?
    /// The most bytes of rows that are evaluated at a time; at least 1.
    var evaluationByteCount = 64 << 20
    /// After how long a step that has not ended is reported, again and again; more than 0.
    var stallInterval = Duration.seconds(10)
    /// Whether training sends the events `graph` and `parameters`. The values of all variables come to this process at each evaluation.
    public var reportsDetails = false
    /// Whether the report has the values that the model's variables have at the end, `TrainingReport.parameters`.
    public var returnsParameters = false
    /// Whether the training's variables on a server are its own, and are dropped when it ends. Only for a strategy with one client.
    var isolatesState = false
    /// The steps of each client that are traced, counted from 1. The first steps are slower than the others. A training with fewer
    /// steps than all of these traces its first; without any, none is traced. A client that makes fewer steps traces fewer: those of
    /// asynchronous replicas share the steps.
    public var tracedSteps: Set<Int> = [3]
    /// How long training on a cluster waits at its start until all servers that it needs have answered; nil waits without a limit. Then it
    /// ends with an error that names those that have not.
    public var startTimeout: Duration? = .seconds(60)
    /// The devices of this process, or of each worker, that compute.
    public var devices = ["/cpu:0"]
    /// The devices of a training in this process; nil makes as many CPUs as `devices` names, which share the cores. `devices` may name
    /// others, such as simulated GPUs, only if they are here.
    public var localDevices: LocalDevices?
    /// Tells this training from others with the same options, on the same servers at the same time, if its clients run in processes of
    /// their own: all of them give the same name. See `Trainer.run(asWorker:)`.
    public var runName: String?

    /// Makes the options of a training. The others have default values, and can be set later.
    public init(
        _ model: ModelGraph, data: TrainingData, strategy: any Strategy = SingleDevice(), optimizer: any Optimizer = Momentum(learningRate: 0.01),
        stepCount: Int = 200, batchSize: Int = 32, seed: Int = 1
    ) {
        self.model = model
        self.data = data
        self.strategy = strategy
        self.optimizer = optimizer
        self.stepCount = stepCount
        self.batchSize = batchSize
        self.seed = seed
    }

    /// Makes the options of a training of a model that is written in Swift.
    /// - Throws: the errors of `ModelGraph.init`.
    public init(
        _ model: some Model, data: TrainingData, strategy: any Strategy = SingleDevice(), optimizer: any Optimizer = Momentum(learningRate: 0.01),
        stepCount: Int = 200, batchSize: Int = 32, seed: Int = 1
    ) throws(Status) {
        self.init(try ModelGraph(model), data: data, strategy: strategy, optimizer: optimizer, stepCount: stepCount, batchSize: batchSize, seed: seed)
    }

    /// Makes the options of a training on a table's rows.
    public init(
        _ model: ModelGraph, table: Table, strategy: any Strategy = SingleDevice(), optimizer: any Optimizer = Momentum(learningRate: 0.01),
        stepCount: Int = 200, batchSize: Int = 32, seed: Int = 1
    ) {
        self.init(model, data: .table(table), strategy: strategy, optimizer: optimizer, stepCount: stepCount, batchSize: batchSize, seed: seed)
    }

    /// Makes the options of a training on a table's rows of a model that is written in Swift.
    /// - Throws: the errors of `ModelGraph.init`.
    public init(
        _ model: some Model, table: Table, strategy: any Strategy = SingleDevice(), optimizer: any Optimizer = Momentum(learningRate: 0.01),
        stepCount: Int = 200, batchSize: Int = 32, seed: Int = 1
    ) throws(Status) {
        try self.init(model, data: .table(table), strategy: strategy, optimizer: optimizer, stepCount: stepCount, batchSize: batchSize, seed: seed)
    }
}

extension TrainingOptions {
    /// The number of trainings of `CrossValidation`: one for each fold that is held out.
    package var trainingCount: Int { data.isDivided ? 1 : trainedFoldCount ?? foldCount }

    /// The devices of a session in this process, among them all that compute.
    /// - Throws: `invalidArgument` when `devices` names one that the process does not have.
    func processDevices() throws(Status) -> LocalDevices {
        let named = try devices.map { text throws(Status) in try DeviceName(text) }
        let cpus = named.filter { $0.type == "CPU" }.compactMap(\.index)
        let existing: LocalDevices
        if let localDevices {
            existing = localDevices
        } else {
            existing = try LocalDevices(cpuCount: min(cpus.max() ?? 0, TrainingOptions.greatestCPUCount - 1) + 1)
        }
        let names = existing.placementDevices.map(\.name)
        for (text, device) in zip(devices, named) {
            guard names.contains(where: { (device.type ?? "CPU") == $0.type && (device.index ?? $0.index) == $0.index }) else {
                throw .invalidArgument(
                    "A training in this process cannot compute on '\(text)': the process has "
                        + "\(names.map { "\($0)" }.joined(separator: ", ")). Other devices are made with TrainingOptions.localDevices")
            }
        }
        return existing
    }

    /// More CPUs of one process are a mistake.
    private static let greatestCPUCount = 1024
}

/// An event of training.
public enum TrainingEvent: Sendable {
    /// Training starts with this fold held out, counted from 0.
    case fold(Int)
    /// The graph is placed. The text lists the ops and bytes of each device.
    case placed(String)
    /// A worker completed a step.
    case step(TrainingStep)
    /// The model was evaluated, if `TrainingOptions.evaluationInterval` is set: at multiples of it and at the end.
    case evaluated(TrainingEvaluation)
    /// The graph of the chief, before the first step. Only if `TrainingOptions.reportsDetails` is set.
    case graph(GraphDefinition)
    /// The values of the trained variables, by their names in the model, with each evaluation. Only if
    /// `TrainingOptions.reportsDetails` is set.
    case parameters(step: Int, [String: Tensor])
    /// The state after `step` updates was saved to the checkpoint at `path`.
    case saved(step: Int, path: String)
    /// The variables were updated from gradients of several workers. Only for a strategy that keeps a ledger.
    case updated(GradientLedger.Entry)
    /// A message for the user: something blocks, or a worker is lost.
    case notice(String)
}

/// The state of training after a worker's step.
public struct TrainingStep: Sendable {
    /// The number of updates of the variables so far.
    public var step: Int
    /// The loss of the worker's batch.
    public var loss: Float
    /// The number of the worker, counted from 0.
    public var worker: Int
    /// Updates per second since the start.
    public var stepsPerSecond: Double
    /// The number of workers that are not lost.
    public var workersAlive: Int
    /// The number of updates by others between the worker's read of the variables and its own update; nil if it is always 0. See
    /// `AsynchronousReplicas` for how exact it is.
    public var staleness: Int?
}
