/// What Weir reads of a client's session options. The options as they came are kept for workers that read more.
public struct SessionConfiguration: Sendable {
    public var allowsSoftPlacement = false
    public var logsPlacement = false
    public var isolatesState = false
    public var deviceFilters: [String] = []
    /// The client's own view of the cluster, in place of the server's.
    public var cluster: ClusterSpec?
    public var operationTimeout: Duration?
    public var usesPerSessionThreads = false
    public var hasThreadPoolOptions = false
    /// Whether the graph may be changed before it runs (`optimizer_options.opt_level` L1, grappler not disabled).
    public var optimizes = true
    /// `ConfigProto` as it came.
    public var serialized: [UInt8] = []
    public init() {}
}
