public import WeirCluster
public import WeirGraph
public import WeirTensor

/// What a hook adds to a step. TensorFlow's `SessionRunArgs`.
public struct SessionRunArgs: Sendable {
    /// What is fetched, by labels of the hook's own. The labels are those of `SessionRunValues.results`.
    public var fetches: [String: Output]
    /// Operations that run for their effect.
    public var targets: [Operation]
    /// Values that replace outputs. No other hook and not the caller may feed the same.
    public var feeds: [Output: any TensorConvertible]
    /// Options that the step needs: it is traced if anyone asks for it, and the longest timeout counts.
    public var options: RunOptions

    /// Makes arguments; without any, the hook adds nothing.
    public init(
        fetches: [String: Output] = [:], targets: [Operation] = [], feeds: [Output: any TensorConvertible] = [:], options: RunOptions = RunOptions()
    ) {
        self.fetches = fetches
        self.targets = targets
        self.feeds = feeds
        self.options = options
    }
}
