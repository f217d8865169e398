/// The options of a step: TensorFlow's `RunOptions`.
public struct RunOptions: Sendable {
    /// How long the step may take; nil for the session's `operationTimeout`.
    public var timeout: Duration?
    /// Whether the times of all nodes are recorded (`FULL_TRACE`).
    public var traces: Bool
    /// Whether the partitioned graphs are returned.
    public var returnsPartitionGraphs: Bool
    /// Makes options, by default those of a plain step.
    public init(timeout: Duration? = nil, traces: Bool = false, returnsPartitionGraphs: Bool = false) {
        self.timeout = timeout
        self.traces = traces
        self.returnsPartitionGraphs = returnsPartitionGraphs
    }
}
