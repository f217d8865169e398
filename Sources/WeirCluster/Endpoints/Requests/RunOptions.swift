public struct RunOptions: Sendable {
    public var timeout: Duration?
    /// Whether times of all nodes are recorded (`FULL_TRACE`).
    public var traces = false
    public var returnsPartitionGraphs = false
    public init() {}
}
