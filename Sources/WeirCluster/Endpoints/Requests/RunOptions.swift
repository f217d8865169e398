/// The options of a step: TensorFlow's `RunOptions`.
public struct RunOptions: Sendable {
    /// How long the step may take; nil for the session's `operationTimeout`.
    public var timeout: Duration?
    /// Whether the times of all nodes are recorded (`FULL_TRACE`).
    public var traces: Bool
    /// Whether the partitioned graphs are returned.
    public var returnsPartitionGraphs: Bool
    /// The key of the sequence from which the step takes its id, so that masters whose graphs have the same key run steps of the
    /// same ids (`experimental.collective_graph_key`); 0 for an id of its own. Collective operations of Weir's workers do not need
    /// it; those of TensorFlow's do when their clients use several masters.
    public var collectiveGraphKey = 0
    /// Makes options, by default those of a plain step.
    public init(timeout: Duration? = nil, traces: Bool = false, returnsPartitionGraphs: Bool = false) {
        self.timeout = timeout
        self.traces = traces
        self.returnsPartitionGraphs = returnsPartitionGraphs
    }
}
