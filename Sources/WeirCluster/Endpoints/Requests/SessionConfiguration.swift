/// The options of a session: the fields of TensorFlow's `ConfigProto` that Weir reads. The original `ConfigProto` is kept for
/// workers that read more of it.
public struct SessionConfiguration: Sendable {
    /// Whether a node whose requested device has no kernel for it is placed on another device.
    public var allowsSoftPlacement: Bool
    /// Whether the server logs the device of each node.
    public var logsPlacement: Bool
    /// Whether the session has variables and other resources of its own (`isolate_session_state`).
    public var isolatesState: Bool
    /// The only tasks and devices that the session may use, as partial device names; empty for all.
    public var deviceFilters: [String]
    /// The client's own cluster specification, which replaces the server's; nil for the server's.
    public var cluster: ClusterSpec?
    /// The timeout of steps that have none; nil for no timeout.
    public var operationTimeout: Duration?
    /// Whether `use_per_session_threads` is set. Weir's master rejects it, as TensorFlow's does.
    package var usesPerSessionThreads = false
    /// Whether `session_inter_op_thread_pool` is set. Weir's master rejects it, as TensorFlow's does.
    package var hasThreadPoolOptions = false
    /// Whether graphs are optimized before they run (`optimizer_options.opt_level` is L1, and grappler is not disabled).
    public var optimizes = true
    /// The task that leads the groups of collective operations, such as `/job:worker/replica:0/task:0`; empty for the chief or the
    /// first worker. All sessions whose collective operations meet must give the same.
    public var collectiveGroupLeader = ""
    /// The original `ConfigProto`, serialized.
    package var serialized: [UInt8] = []
    /// Makes the options of a session. The others have default values, and can be set later.
    public init(
        allowsSoftPlacement: Bool = false, logsPlacement: Bool = false, isolatesState: Bool = false, deviceFilters: [String] = [],
        operationTimeout: Duration? = nil
    ) {
        self.allowsSoftPlacement = allowsSoftPlacement
        self.logsPlacement = logsPlacement
        self.isolatesState = isolatesState
        self.deviceFilters = deviceFilters
        self.operationTimeout = operationTimeout
    }
}
