package import WeirGraph
package import WeirRuntime
package import WeirTensor

/// What tasks ask of each other for collective operations. A worker and the stubs of other workers conform.
///
/// `completeGroup`, `completeInstance` and `stepSequence` are asked of the task that leads the group.
package protocol CollectivePeer: AnyObject, Sendable {
    /// Adds a device to its group and returns the group when all members have joined. The cancellation withdraws the device.
    func completeGroup(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>)
    /// Returns the rank of the source of a broadcast when all members have asked for it.
    func completeInstance(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>)
    /// Returns the next step id of each graph key, by key.
    func stepSequence(_ graphKeys: [Int]) async throws -> [Int: Int]
    /// Returns a tensor that a member on this task sends, as soon as it is sent.
    /// - Parameter destination: where the caller wants the elements. A stub that takes them there gives the destination's target; else
    ///   it gives another tensor.
    func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>)
    /// Ends a group: its operations fail, and its members resolve it again. Returns when the task has done so.
    func endGroup(_ request: EndGroup) async throws
    /// As `endGroup`, but does not wait for the task.
    func announceEnd(_ request: EndGroup)
    /// Waits until a group ends, and fails with the reason. The leader ends the group when the cancellation fires: the caller
    /// is gone, or has left the group.
    func watchGroup(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>)
}

extension CollectivePeer {
    /// Fails: the task takes part in no collective operations.
    package func completeGroup(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>) {
        done(.failure(Self.unimplemented("CompleteGroup")))
    }
    /// As `completeGroup`.
    package func completeInstance(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>) {
        done(.failure(Self.unimplemented("CompleteInstance")))
    }
    /// As `completeGroup`.
    package func stepSequence(_ graphKeys: [Int]) async throws -> [Int: Int] { throw Self.unimplemented("GetStepSequence") }
    /// As `completeGroup`.
    package func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        done(.failure(Self.unimplemented("RecvBuf")))
    }
    /// Does nothing: the task is in no group.
    package func endGroup(_ request: EndGroup) async throws {}
    /// Calls `endGroup`.
    package func announceEnd(_ request: EndGroup) { Task { try? await endGroup(request) } }
    /// As `completeGroup`.
    package func watchGroup(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>) {
        done(.failure(Self.unimplemented("WatchGroup")))
    }
    private static func unimplemented(_ method: String) -> Status { .unimplemented("\(method): this task has no collective operations") }
}
