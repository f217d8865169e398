public import WeirGraph
public import WeirTensor
public import WeirWire

/// What a worker does for masters and other workers: TensorFlow's `WorkerService` in plain values.
///
/// The worker of this process and the stub of one elsewhere are both this, so that a master need not know which it has.
/// Calls that are made once a step complete by callback; the rare ones are async.
public protocol WorkerEndpoint: AnyObject, Sendable {
    /// The devices of the task, under their boot names. Also a sign of life.
    func status() async throws -> [DeviceAttributes]
    func createSession(_ request: CreateWorkerSession) async throws
    func deleteSession(_ handle: String) async throws
    /// - Returns: the graph's handle.
    func registerGraph(_ request: RegisterGraph) async throws -> String
    func deregisterGraph(_ handle: String, session: String) async throws
    /// Runs this task's part of a step. `cancellation` ends it early.
    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>)
    /// Hands out a tensor that a step of this task produces, when it is produced.
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>)
    /// Forgets a step: drops what nobody fetched.
    func cleanUpGraph(step: Int) async throws
    /// Drops the resources of these containers, of the default one when none is named.
    func cleanUpAll(containers: [String]) async throws
    /// Turns the record of a step's calls on or off. Weir keeps no such record: accepted, nothing is returned.
    func logging(enabled: Bool, fetching steps: [Int]) async throws
}
