public import WeirTensor

/// The result of training with one fold held out.
public struct TrainingReport: Sendable {
    /// The metrics on training rows, by name.
    public var trainMetrics: [String: Double]
    /// The metrics on held-out rows, by name.
    public var testMetrics: [String: Double]
    /// The number of held-out rows.
    public var testRowCount: Int
    /// The number of updates of the variables.
    public var stepCount: Int
    /// The time of training in seconds.
    public var seconds: Double
    /// Updates per second.
    public var stepsPerSecond: Double
    /// Rows per second, of all workers.
    public var samplesPerSecond: Double
    /// The number of gradients that each worker computed.
    public var updatesByWorker: [Int]
    /// The numbers of the workers that were lost, ascending.
    public var lostWorkers: [Int] = []
    /// How many attempts training took: more than 1 if tasks were lost that it needs. See `TrainingRecovery`.
    public var attemptCount = 1
    /// Why the state at the end could not be saved, for instance because the disk is full; nil if it was saved, or no checkpoints were
    /// asked for. The error names the file.
    public var saveFailure: Status?
    /// The number of workers' gradients that were not used, because they were too late or training ended; nil if it is not known. An
    /// update uses all gradients that have arrived when it begins, also more than it requires, so with backup workers only
    /// a ledger tells (`SynchronousReplicas.ledger`). A gradient of which only some variables' parts were used counts in part, and the sum
    /// is rounded down.
    public var droppedGradients: Int?
    /// For each staleness, the number of updates that had it; empty if none can be stale. See `AsynchronousReplicas`.
    public var staleness: [Int: Int]
    /// The bytes of tensors sent between tasks.
    public var bytesMoved: Int
    /// The losses that workers reported, by global step.
    public var losses: [(step: Int, loss: Float)]
    /// The number of ops and bytes on each device.
    public var placement: [(device: String, opCount: Int, byteCount: Int)]
    /// Which gradients the updates used; nil if the strategy keeps no ledger.
    public var ledger: GradientLedger?
    /// What the devices did in the traced steps, `TrainingOptions.tracedSteps`, of all clients, by step.
    public var timelines: [(step: Int, timeline: StepTimeline)] = []

    /// The values of the model's variables at the end, by name; empty unless `TrainingOptions.returnsParameters` is set.
    public var parameters: [String: Tensor] = [:]

    /// What the devices did in the first traced step; nil if none was traced.
    public var timeline: StepTimeline? { timelines.first?.timeline }
    /// How well the first traced step used the devices and links; nil if none was traced.
    public var utilization: StepUtilization? { timeline.map { StepUtilization($0) } }
    /// The bytes of tensors sent between tasks for one update of the variables, on average.
    public var bytesPerStep: Int { bytesMoved / max(1, stepCount) }

    /// The fraction of training rows that are classified correctly; NaN if the model has no such metric.
    public var trainAccuracy: Double { trainMetrics["accuracy"] ?? .nan }
    /// The fraction of held-out rows that are classified correctly; NaN if the model has no such metric.
    public var testAccuracy: Double { testMetrics["accuracy"] ?? .nan }
}
