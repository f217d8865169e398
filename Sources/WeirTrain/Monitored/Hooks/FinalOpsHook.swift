import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor

/// Computes tensors and runs operations at the end of the training. TensorFlow's `FinalOpsHook`.
///
/// With the operation that closes a queue, the chief's hook ends the steps of the workers that wait there.
public final class FinalOpsHook: SessionRunHook {
    private let fetches: [Output]
    private let targets: [Operation]
    private let feeds: [Output: any TensorConvertible]
    private let found = Mutex<[Tensor]?>(nil)

    /// What runs at the end: as the arguments of `Session.run`.
    public init(_ fetches: [Output] = [], targets: [Operation] = [], feeding feeds: [Output: any TensorConvertible] = [:]) {
        self.fetches = fetches
        self.targets = targets
        self.feeds = feeds
    }

    /// The values of the tensors; nil before the end.
    public var values: [Tensor]? { found.withLock { $0 } }

    /// - Throws: `invalidArgument` when there is nothing to do.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        if fetches.isEmpty, targets.isEmpty { throw .invalidArgument("\(typeName): expected at least one tensor or operation, found none") }
    }

    /// Computes the tensors.
    /// - Throws: what the step throws. `outOfRange` means that a tensor takes from a queue or a file, which it should not.
    public func end(_ session: Session) async throws(Status) {
        let values = try await session.run(fetches, feeding: feeds, targets: targets)
        found.withLock { $0 = values }
    }
}
