/// The feeds, fetches and targets of a callable: TensorFlow's `CallableOptions`.
package struct CallableOptions: Sendable {
    /// The names of the tensors that are fed, in the order of the values.
    package var feeds: [String]
    /// The names of the tensors that are fetched.
    package var fetches: [String]
    /// The names of the nodes that run without being fetched.
    package var targets: [String]
    /// The options of each run.
    package var options = RunOptions()
    /// Tensors of the graph (`from`) that replace others (`to`): `tensor_connection`. Weir's master rejects them.
    package var connections: [(from: String, to: String)] = []
    /// Whether `feed_devices` or `fetch_devices` are set. Weir's master rejects them.
    package var hasFeedOrFetchDevices = false
    /// Makes the options of a callable.
    package init(feeds: [String] = [], fetches: [String] = [], targets: [String] = []) {
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }
}
