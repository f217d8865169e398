import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A queue on a device. A mutex protects its state. No thread blocks on a full or empty queue: attempts that must wait are
/// stored, and their completions are called when they finish.
final class QueueResource: CacheableResource {
    static let kind = "N10tensorflow14QueueInterfaceE"

    let name: String
    let specification: QueueSpecification
    private let state: Mutex<QueueState>
    private let isDropped = Atomic<Bool>(false)

    init(_ specification: QueueSpecification, name: String) {
        self.name = name
        self.specification = specification
        state = Mutex(specification.makeState(name: name))
    }

    /// Adds elements one after another. Calls `done` when all are in the queue.
    func put(_ elements: [QueueElement], _ cancellation: Cancellation, _ done: @escaping Completion<[QueueElement]>) {
        join(cancellation, "Enqueue", done) { $0.put(elements, done) }
    }
    /// Takes `count` elements.
    func take(
        _ count: Int, allowsSmallBatch: Bool = false, _ cancellation: Cancellation,
        _ done: @escaping Completion<[QueueElement]>
    ) {
        join(cancellation, "Dequeue", done) { $0.take(count, allowsSmallBatch: allowsSmallBatch, done) }
    }
    /// Takes one element.
    func takeOne(_ cancellation: Cancellation, _ done: @escaping Completion<QueueElement>) {
        take(1, cancellation) { result in done(result.map { $0.first ?? [] }) }
    }
    /// Closes the queue after the enqueues that wait, or cancels them if `cancellingPending` is true.
    func close(cancellingPending: Bool, _ done: @escaping Completion<[QueueElement]>) {
        let finished = state.withLock { state -> [QueueState.Finished] in
            if cancellingPending { return state.closeCancellingPending() }
            _ = state.close(done)
            return state.advance()
        }
        for attempt in finished { attempt.tell() }
        if cancellingPending { done(.success([])) }
    }
    var count: Int { state.withLock { $0.count } }
    /// Whether the queue is closed for new elements. `isClosed` says whether the resource was dropped.
    var isClosedForEnqueue: Bool { state.withLock { $0.isClosed } }

    var isClosed: Bool { isDropped.load(ordering: .acquiring) }
    func close() {
        isDropped.store(true, ordering: .releasing)
        for attempt in state.withLock({ $0.shutDown() }) { attempt.tell() }
    }

    private func join(
        _ cancellation: Cancellation, _ operation: String, _ done: @escaping Completion<[QueueElement]>,
        _ attempt: (inout QueueState) -> QueueState.Ticket
    ) {
        guard !cancellation.isCancelled else {
            return done(.failure(.cancelled("\(operation) operation was cancelled")))
        }
        let finished = state.withLock { state -> [QueueState.Finished] in
            let ticket = attempt(&state)
            let finished = state.advance()
            guard state.isWaiting(ticket) else { return finished }
            // Registers while locked, so that a concurrent cancellation finds the attempt.
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
}
