/// The feeds, fetches and targets of a callable: TensorFlow's `CallableOptions`.
public struct CallableOptions: Sendable {
    /// The names of the tensors that are fed, in the order of the values.
    public var feeds: [String]
    /// The names of the tensors that are fetched.
    public var fetches: [String]
    /// The names of the nodes that run without being fetched.
    public var targets: [String]
    /// The options of each run.
    public var options = RunOptions()
    /// Tensors of the graph (`from`) that replace others (`to`): `tensor_connection`. Weir's master rejects them.
    public var connections: [(from: String, to: String)] = []
    /// Whether `feed_devices` or `fetch_devices` are set. Weir's master rejects them.
    public var hasFeedOrFetchDevices = false
    /// Makes the options of a callable.
    public init(feeds: [String] = [], fetches: [String] = [], targets: [String] = []) {
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }
}
