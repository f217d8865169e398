public import WeirGraph
public import WeirTensor
public import WeirWire

/// What a master does for clients: TensorFlow's `MasterService` in plain values.
public protocol MasterEndpoint: AnyObject, Sendable {
    /// - Returns: the session's handle. Waits until every task that the session needs has answered.
    func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String
    /// Adds nodes and functions to a session's graph.
    /// - Returns: the graph's new version.
    func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int
    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>)
    /// - Returns: the handle under which the parts of the step are run.
    func setUpPartialRun(_ request: RunStep) async throws -> String
    func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int
    func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>)
    func releaseCallable(_ handle: String, callable: Int) async throws
    func closeSession(_ handle: String) async throws
    /// The devices of a session, or of the whole cluster when no session is named: those of the master's task, others.
    func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes])
    /// Closes every session of this master and drops the resources of these containers everywhere.
    func reset(containers: [String], deviceFilters: [String]) async throws
}
