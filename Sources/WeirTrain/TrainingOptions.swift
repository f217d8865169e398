public import WeirGraph
public import WeirTensor

/// How replicas work together.
public enum Strategy: String, Sendable, CaseIterable {
    /// One client per worker; gradients are averaged and applied once for all.
    case sync
    /// One client per worker; each applies its gradients when it has them.
    case async
    /// One client, one graph with a copy of the model on each worker.
    case inGraph = "in-graph"
    /// This process alone.
    case single
}

/// What to train, on what, and for how long.
public struct TrainingOptions: Sendable {
    public var table: Table
    public var hidden = [10, 20, 20, 20, 10]
    public var strategy = Strategy.single
    public var optimizer: any Optimizer = Momentum(learningRate: 0.01)
    /// Updates of the variables, by whoever.
    public var stepCount = 200
    /// Rows a worker takes for one gradient.
    public var batchSize = 32
    public var seed = 1
    /// How many parts the rows are cut into for cross-validation. Each is held out in turn, to test on.
    public var foldCount = 5
    /// Synchronous training: gradients to wait for before an update; the other workers are backups. All when nil.
    public var requiredReplicas: Int?
    /// How variables are spread over parameter servers.
    public var balance = ReplicaDeviceSetter.Balance.roundRobin
    public init(table: Table) { self.table = table }
}

/// What happens while a model is trained.
public enum TrainingEvent: Sendable {
    /// Training begins anew with another fold held out, the first of which is 0.
    case fold(Int)
    /// The graph is placed: who holds what.
    case placed(String)
    /// A worker has taken a step.
    case step(TrainingStep)
    /// Something blocks, or a worker is gone: what, and where.
    case notice(String)
}

public struct TrainingStep: Sendable {
    /// Updates of the variables so far.
    public var step: Int
    public var loss: Float
    public var worker: Int
    public var stepsPerSecond: Double
    public var workersAlive: Int
}

/// What training with one fold held out came to.
public struct TrainingReport: Sendable {
    public var trainAccuracy: Double
    public var testAccuracy: Double
    public var testRowCount: Int
    public var stepCount: Int
    public var seconds: Double
    public var stepsPerSecond: Double
    /// Gradients each worker computed.
    public var updatesByWorker: [Int]
    /// Gradients that came too late to be used.
    public var droppedGradients: Int
    /// Bytes of tensors that crossed from task to task.
    public var bytesMoved: Int
    /// Loss by step.
    public var losses: [(step: Int, loss: Float)]
    /// Ops and bytes by device.
    public var placement: [(device: String, opCount: Int, byteCount: Int)]
}
