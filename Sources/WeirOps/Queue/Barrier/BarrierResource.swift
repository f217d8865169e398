import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A barrier on a device. A mutex protects its state. No thread blocks on a full or empty barrier: attempts that must wait
/// are stored.
final class BarrierResource: CacheableResource {
    static let kind = "N10tensorflow7barrier7BarrierE"

    let name: String
    let types: [DType]
    let shapes: [PartialShape]
    private let state: Mutex<BarrierState>
    private let isDropped = Atomic<Bool>(false)

    init(name: String, types: [DType], shapes: [PartialShape]) {
        self.name = name
        self.types = types
        self.shapes = shapes
        state = Mutex(BarrierState(name: name, types: types, shapes: shapes))
    }

    var readyCount: Int { state.withLock { $0.readyCount } }
    var incompleteCount: Int { state.withLock { $0.incompleteCount } }

    func insert(_ component: Int, _ keys: [ByteString], _ values: [Tensor]) throws {
        let (finished, failure) = state.withLock { $0.insert(component, keys, values) }
        for attempt in finished { attempt.tell() }
        if let failure { throw failure }
    }

    func take(
        _ count: Int, allowsSmallBatch: Bool, _ cancellation: Cancellation, _ done: @escaping Completion<[QueueElement]>
    ) throws {
        guard !cancellation.isCancelled else { throw Status.cancelled("Dequeue operation was cancelled") }
        let finished = try state.withLock { state throws -> [QueueState.Finished] in
            let ticket = try state.take(count, allowsSmallBatch: allowsSmallBatch, done)
            let finished = state.advance()
            guard state.isWaiting(ticket) else { return finished }
            if let token = cancellation.register({ [weak self] in self?.cancel(ticket) }) {
                state.setRegistration(QueueState.Registration(cancellation: cancellation, token: token), for: ticket)
                return finished
            }
            return finished + state.cancel(ticket)
        }
        for attempt in finished { attempt.tell() }
    }
    private func cancel(_ ticket: QueueState.Ticket) {
        for attempt in state.withLock({ $0.cancel(ticket) }) { attempt.tell() }
    }

    func close(cancelsPending: Bool) throws {
        let finished = try state.withLock { state throws -> [QueueState.Finished] in
            try state.close(cancelsPending: cancelsPending)
        }
        for attempt in finished { attempt.tell() }
    }
    var isClosed: Bool { isDropped.load(ordering: .acquiring) }
    func close() {
        isDropped.store(true, ordering: .releasing)
        for attempt in state.withLock({ $0.shutDown() }) { attempt.tell() }
    }
}
