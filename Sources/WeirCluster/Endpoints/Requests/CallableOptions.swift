public struct CallableOptions: Sendable {
    public var feeds: [String]
    public var fetches: [String]
    public var targets: [String]
    public var options = RunOptions()
    /// Tensors inside the graph that take the place of others: from → to.
    public var connections: [(from: String, to: String)] = []
    public var hasFeedOrFetchDevices = false
    public init(feeds: [String] = [], fetches: [String] = [], targets: [String] = []) {
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }
}
