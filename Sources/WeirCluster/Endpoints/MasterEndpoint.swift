package import WeirGraph
package import WeirTensor
package import WeirWire

/// A master as its clients see it: TensorFlow's `MasterService` with plain values.
package protocol MasterEndpoint: AnyObject, Sendable {
    /// Creates a session. Waits until every task that the session needs has replied, or until the request's timeout passes.
    /// - Returns: the session's handle.
    func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String
    /// Adds nodes and functions to a session's graph.
    /// - Parameter version: the graph version that the client knows.
    /// - Returns: the new graph version.
    func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int
    /// Runs a step, or a part of a partial run.
    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>)
    /// Prepares a step that runs in several parts.
    /// - Returns: the handle of the partial run.
    func setUpPartialRun(_ request: RunStep) async throws -> String
    /// Prepares a step with fixed feeds, fetches and targets.
    /// - Returns: the callable's handle.
    func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int
    /// Runs a callable. Feeds and fetches are in the order of its options.
    func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>)
    /// Drops a callable.
    func releaseCallable(_ handle: String, callable: Int) async throws
    /// Closes a session. Its running steps are cancelled.
    func closeSession(_ handle: String) async throws
    /// Returns the devices of a session, or of the whole cluster when the handle is empty: those of the master's task are
    /// `local`, the others `remote`.
    func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes])
    /// Closes all sessions of this master, and drops the resources in the containers on all tasks that match the filters.
    func reset(containers: [String], deviceFilters: [String]) async throws
}
