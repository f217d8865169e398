package import WeirGraph
package import WeirTensor
package import WeirWire

/// A worker as masters and other workers see it: TensorFlow's `WorkerService` with plain values.
///
/// Both the worker of this process and the stub of a remote one conform, so that a master need not know which it has.
/// Operations that every step needs take a callback; the others are async.
package protocol WorkerEndpoint: CollectivePeer {
    /// Returns the devices of the task, under the names with which it started. Masters also use it to find out whether the task
    /// is alive.
    func status() async throws -> [DeviceAttributes]
    /// Creates a worker session. Sessions of an earlier incarnation of the same master are deleted.
    func createSession(_ request: CreateWorkerSession) async throws
    /// Deletes a worker session. Does nothing when there is none.
    func deleteSession(_ handle: String) async throws
    /// Adds a partition of a graph to a session.
    /// - Returns: the graph's handle.
    func registerGraph(_ request: RegisterGraph) async throws -> String
    /// Removes a graph from a session.
    func deregisterGraph(_ handle: String, session: String) async throws
    /// Runs a registered graph for a step. The cancellation ends it early.
    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>)
    /// Returns a tensor that a step of this task produces, as soon as it is produced.
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>)
    /// Drops the state of a step, with the tensors that no one has fetched.
    func cleanUpGraph(step: Int) async throws
    /// As `cleanUpGraph`, but does not wait for the task.
    func forget(step: Int)
    /// Drops the resources in the containers, or in the default container when none is named.
    func cleanUpAll(containers: [String]) async throws
    /// Turns the recording of a step's RPCs on or off. Weir records none, so this has no effect.
    func logging(enabled: Bool, fetching steps: [Int]) async throws

    /// Whether the worker is in this process. A step waits for it without a limit.
    var isLocal: Bool { get }
    /// Checks that a call of another task may begin.
    /// - Throws: `unavailable` for a new step of a stopping server.
    func admit(_ request: RunGraph) throws(Status)
    /// Closes the connections that only this endpoint has.
    func close()
}

extension WorkerEndpoint {
    /// Calls `cleanUpGraph`.
    package func forget(step: Int) { Task { try? await cleanUpGraph(step: step) } }
    /// False: a stub.
    package var isLocal: Bool { false }
    /// Admits every call. The task of a stub checks the call itself.
    package func admit(_ request: RunGraph) throws(Status) {}
    /// Does nothing.
    package func close() {}
}
