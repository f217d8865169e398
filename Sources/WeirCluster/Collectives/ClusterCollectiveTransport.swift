import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// Passes tensors between the members of groups on all tasks of a cluster. TensorFlow's `CollectiveRemoteAccessDistributed`.
///
/// A tensor stays in the mailbox of its sender's task until it is asked for, as a tensor of a rendezvous does
/// ([why](../../../docs/decisions/0003-pull-not-push.md)): a member posts its receives early, so the request is there before the
/// tensor, and what a receiver must hold is what it has asked for. Over a link the elements go from the sender's tensor to the
/// socket or the shared memory, and from there to where the receiver wants them.
final class ClusterCollectiveTransport: CollectiveTransport {
    private let collectives: WorkerCollectives
    private let peers: WorkerPeers
    /// The workers of members, which a step finds without building their names. No group has so many devices.
    private let workers = Mutex(LRUCache<DeviceName, any WorkerEndpoint>(capacity: 10_000))

    init(_ collectives: WorkerCollectives, peers: WorkerPeers) {
        self.collectives = collectives
        self.peers = peers
    }

    func send(_ tensor: Tensor, _ key: CollectiveKey, to member: CollectiveGroup.Member, _ sent: @escaping @Sendable (Status?) -> Void) {
        collectives.mailbox.send(CollectiveBuffer(tensor, sent: sent), key)
    }

    func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>
    ) {
        receive(ReceiveBuffer(key: key, byteCount: byteCount, source: member), into: nil, cancellation, done)
    }

    func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, into destination: CollectiveDestination, cancellation: Cancellation,
        _ done: @escaping Completion<Tensor>
    ) {
        receive(ReceiveBuffer(key: key, byteCount: destination.target.byteCount, source: member), into: destination, cancellation, done)
    }

    private func receive(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, _ cancellation: Cancellation, _ done: @escaping Completion<Tensor>
    ) {
        guard !request.source.device.isSameTask(as: peers.task) else {
            return collectives.mailbox.take(request.key, byteCount: request.byteCount, cancellation: cancellation, done)
        }
        do {
            try worker(of: request.source.device).receiveBuffer(request, into: destination, cancellation: cancellation) { result in
                done(result.flatMap { ClusterCollectiveTransport.checked($0.tensor, request) })
            }
        } catch {
            done(.failure(Status(error)))
        }
    }

    /// Checks the size of what another task has sent.
    private static func checked(_ tensor: Tensor, _ request: ReceiveBuffer) -> Result<Tensor, Status> {
        guard tensor.byteCount == request.byteCount else {
            return .failure(
                .internalError(
                    "RecvBuf: Tensor Size Mismatch: \(request.byteCount) bytes expected from \(request.source.device), \(tensor.byteCount) found"))
        }
        return .success(tensor)
    }

    private func worker(of device: DeviceName) throws -> any WorkerEndpoint {
        if let known = workers.withLock({ $0.use(device) }) { return known }
        let found = try peers.worker(device)
        _ = workers.withLock { $0.insert(device, found) }
        return found
    }

    func abort(_ run: CollectiveRun, _ group: CollectiveGroup, _ status: Status) { collectives.end(group, status) }

    /// Does nothing: what a run has sent was received, and is not kept.
    func end(_ run: CollectiveRun) {}
}
