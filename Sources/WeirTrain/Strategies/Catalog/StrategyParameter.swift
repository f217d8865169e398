/// An option of strategies, by the name that it has on the command line, without dashes.
package enum StrategyParameter: String, Sendable, CaseIterable {
    /// The number of stages of a replica.
    case stages
    /// The devices of layers by name.
    case layers
    /// The number of parts of a batch.
    case microBatches = "micro-batches"
    /// The order in which stages work on micro-batches.
    case schedule
    /// The number of replicas of a pipeline.
    case replicas
    /// The axes of a mesh of devices.
    case mesh
    /// How variables are cut, by name.
    case cuts
    /// The number of batches of a step.
    case shards
    /// The number of gradients for an update.
    case required
    /// How many steps a worker may be ahead.
    case maximumLead = "max-lead"
    /// Whether it is recorded which gradients were used.
    case ledger
    /// The bytes of gradients that are sent together.
    case bucketBytes = "bucket-bytes"
    /// The strategy of each worker.
    case workerStrategy = "worker-strategy"
    /// How variables are spread over parameter servers.
    case balance
    /// The most bytes of a part of a variable.
    case partBytes = "part-bytes"

    /// The option as users write it: `--micro-batches`.
    package var option: String { "--\(rawValue)" }
}
