import WeirGraph
import WeirTensor

/// A step's rendezvous on one task of a cluster: what this task sends lies here until it is asked for; what other tasks
/// send is fetched from them when it is wanted.
final class RemoteRendezvous: Rendezvous {
    private let local: any Rendezvous
    private let step: Int
    private let peers: WorkerPeers
    private let cancellation: Cancellation
    /// What the keys of this task's own tensors begin with.
    private let ownPrefix: String

    init(local: any Rendezvous, step: Int, peers: WorkerPeers, cancellation: Cancellation) {
        self.local = local
        self.step = step
        self.peers = peers
        self.cancellation = cancellation
        ownPrefix = peers.task.description + "/"
    }

    func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status) { try local.send(key, delivery) }

    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {
        if key.text.hasPrefix(ownPrefix) { return local.receive(key, done) }
        do {
            let request = ReceiveTensor(step: step, key: key, requestID: Int.random(in: 1 ... .max))
            try peers.worker(sending: key).receiveTensor(request, cancellation: cancellation, done)
        } catch {
            done(.failure(Status(error)))
        }
    }

    func abort(_ status: Status) { local.abort(status) }
}
