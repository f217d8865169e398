import WeirGraph
import WeirTensor

/// How the replicas of a model work together.
public enum Strategy: String, Sendable, CaseIterable {
    /// Synchronous, one client for each worker: gradients are averaged and applied once for all workers.
    case sync
    /// Asynchronous, one client for each worker: each applies its gradients when they are computed.
    case async
    /// One client, and one graph with a copy of the computation on each worker.
    case inGraph = "in-graph"
    /// This process only, without a cluster.
    case single
}

/// The data, the model and the parameters of training.
public struct TrainingOptions: Sendable {
    /// The rows to train and test on.
    public var table: Table
    /// The number of units of each hidden layer.
    public var hidden: [Int]
    /// How replicas work together.
    public var strategy: Strategy
    /// The optimizer.
    public var optimizer: any Optimizer
    /// The number of updates of the variables, by all workers together; at least 1.
    public var stepCount: Int
    /// The number of rows for one gradient of a worker; at least 1.
    public var batchSize: Int
    /// The seed of the initial weights, the folds and the batches.
    public var seed: Int
    /// The number of folds for cross-validation; each is held out once, for testing.
    public var foldCount = 5
    /// With the strategy `sync`: the number of gradients for an update, between 1 and the number of workers. The other workers
    /// are backups. nil requires all.
    public var requiredReplicas: Int?
    /// How variables are spread over the parameter servers.
    public var balance = ReplicaDeviceSetter.Balance.roundRobin
    /// Makes the options of a training. The others have default values, and can be set later.
    public init(
        table: Table, hidden: [Int] = [10, 20, 20, 20, 10], strategy: Strategy = .single,
        optimizer: any Optimizer = Momentum(learningRate: 0.01), stepCount: Int = 200, batchSize: Int = 32, seed: Int = 1
    ) {
        self.table = table
        self.hidden = hidden
        self.strategy = strategy
        self.optimizer = optimizer
        self.stepCount = stepCount
        self.batchSize = batchSize
        self.seed = seed
    }
}

/// An event of training.
public enum TrainingEvent: Sendable {
    /// Training starts with this fold held out, counted from 0.
    case fold(Int)
    /// The graph is placed. The text lists the ops and bytes of each device.
    case placed(String)
    /// A worker completed a step.
    case step(TrainingStep)
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
}

/// The result of training with one fold held out.
public struct TrainingReport: Sendable {
    /// The fraction of training rows that are classified correctly.
    public var trainAccuracy: Double
    /// The fraction of held-out rows that are classified correctly.
    public var testAccuracy: Double
    /// The number of held-out rows.
    public var testRowCount: Int
    /// The number of updates of the variables.
    public var stepCount: Int
    /// The time of training in seconds.
    public var seconds: Double
    /// Updates per second.
    public var stepsPerSecond: Double
    /// The number of gradients that each worker computed.
    public var updatesByWorker: [Int]
    /// The number of gradients that were too late to be used.
    public var droppedGradients: Int
    /// The bytes of tensors sent between tasks.
    public var bytesMoved: Int
    /// The losses that workers reported, by global step.
    public var losses: [(step: Int, loss: Float)]
    /// The number of ops and bytes on each device.
    public var placement: [(device: String, opCount: Int, byteCount: Int)]
}
