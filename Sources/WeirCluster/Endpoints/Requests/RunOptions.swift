/// The options of a step: TensorFlow's `RunOptions`.
public struct RunOptions: Sendable {
    /// How long the step may take; nil for the session's `operationTimeout`.
    public var timeout: Duration?
    /// Whether the times of all nodes are recorded (`FULL_TRACE`).
    public var traces = false
    /// Whether the partitioned graphs are returned.
    public var returnsPartitionGraphs = false
    /// Makes options with default values.
    public init() {}
}
