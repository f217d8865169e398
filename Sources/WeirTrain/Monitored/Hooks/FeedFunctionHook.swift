import WeirCluster
public import WeirGraph
public import WeirTensor

/// Feeds each step with what a function returns. TensorFlow's `FeedFnHook`.
public struct FeedFunctionHook: SessionRunHook {
    private let feeds: @Sendable () async throws(Status) -> [Output: any TensorConvertible]

    /// - Parameter feeds: is called before each step, and again when a step begins anew. If it throws `outOfRange`, because there are no
    ///   more rows, the training ends.
    public init(_ feeds: @escaping @Sendable () async throws(Status) -> [Output: any TensorConvertible]) { self.feeds = feeds }

    /// Feeds the step.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs { SessionRunArgs(feeds: try await feeds()) }
}
