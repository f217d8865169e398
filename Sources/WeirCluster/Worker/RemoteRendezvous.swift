import WeirGraph
import WeirTensor

/// The rendezvous of a step on one task. Tensors that this task sends stay here until a task requests them. Receiving a tensor of
/// another task requests it from there. TensorFlow's `RpcRemoteRendezvous`.
final class RemoteRendezvous: Rendezvous {
    private let local: any Rendezvous
    private let step: Int
    private let peers: WorkerPeers
    private let cancellation: Cancellation
    /// The beginning of the keys of this task's tensors.
    private let localPrefix: String

    init(local: any Rendezvous, step: Int, peers: WorkerPeers, cancellation: Cancellation) {
        self.local = local
        self.step = step
        self.peers = peers
        self.cancellation = cancellation
        localPrefix = peers.task.description + "/"
    }

    func send(_ key: RendezvousKey, _ item: RendezvousItem) throws(Status) { try local.send(key, item) }

    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {
        if key.text.hasPrefix(localPrefix) { return local.receive(key, done) }
        do {
            let request = ReceiveTensor(step: step, key: key, requestID: Int.random(in: 1 ... .max))
            try peers.worker(sending: key).receiveTensor(request, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    func abort(_ status: Status) { local.abort(status) }
}
