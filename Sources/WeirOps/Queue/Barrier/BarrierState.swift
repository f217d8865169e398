import WeirGraph
import WeirKernels
import WeirTensor

/// The state of a barrier: the incomplete tuples by key, and a queue of the complete ones, ordered by the first insertion
/// of their keys.
struct BarrierState: Sendable {
    private struct Incomplete: Sendable {
        let index: Int64
        var components: [Tensor?]
    }

    let name: String
    let types: [DType]
    let shapes: [PartialShape]
    private(set) var ready: QueueState
    private var incomplete: [ByteString: Incomplete] = [:]
    private var nextIndex = Int64.min
    private(set) var isClosed = false
    private var cancelsPending = false

    init(name: String, types: [DType], shapes: [PartialShape]) {
        self.name = name
        self.types = types
        self.shapes = shapes
        ready = QueueState(
            label: "PriorityQueue", name: "\(name)_queue", capacity: QueueSpecification.unbounded,
            store: PriorityStore(),
            dequeuesBatchesAtomically: true)
    }

    var incompleteCount: Int { incomplete.count }
    var readyCount: Int { ready.count }

    /// Sets component `component` of the tuple of each key. Stops at the first key for which this fails.
    /// - Returns: the waiting attempts that have finished, and the error.
    mutating func insert(_ component: Int, _ keys: [ByteString], _ values: [Tensor]) -> ([QueueState.Finished], Status?) {
        if isClosed, cancelsPending || (!keys.isEmpty && incomplete.isEmpty) {
            return (
                [],
                .cancelled(
                    "Barrier \(name) is closed.  Pending enqueues cancelled: \(cancelsPending ? 1 : 0).  "
                        + "Number of new insertions: \(keys.count).  Number of incomplete keys: \(incomplete.count).")
            )
        }
        var isNew = false
        var whole: [QueueElement] = []
        var failure: Status?
        for (position, key) in keys.enumerated() {
            do throws(Status) {
                if incomplete[key] == nil { isNew = true }
                if let tuple = try insertOne(component, key, values[position], position) { whole.append(tuple) }
            } catch {
                failure = error
                break
            }
        }
        if isNew { nextIndex += 1 }
        var finished: [QueueState.Finished] = []
        if !whole.isEmpty {
            _ = ready.put(whole) { _ in }
            finished += ready.advance()
        }
        // The barrier is closed and no tuple can become complete any more.
        if isClosed, incomplete.isEmpty, !ready.isClosed { finished += closeReady() }
        return (finished, failure)
    }

    /// - Returns: the index, the key and the components if the tuple is now complete, else nil.
    private mutating func insertOne(_ component: Int, _ key: ByteString, _ value: Tensor, _ position: Int)
        throws(Status) -> QueueElement?
    {
        guard !isClosed || incomplete[key] != nil else {
            throw .cancelled(
                "Barrier \(name) is closed, but attempted to insert a brand new key: \(key).  "
                    + "Pending enqueues cancelled: \(cancelsPending ? 1 : 0).  Insertion index: \(position).  "
                    + "Number of incomplete keys: \(incomplete.count).")
        }
        guard shapes[component].isCompatible(with: value.shape) else {
            throw .invalidArgument(
                "Shape mismatch in tuple component \(component + 2). Expected \(shapes[component]), got \(value.shape)")
        }
        var tuple =
            incomplete[key] ?? Incomplete(index: nextIndex, components: [Tensor?](repeating: nil, count: types.count))
        guard tuple.components[component] == nil else {
            throw .invalidArgument("Key \(key) already has a value for component \(component) in barrier \(name)")
        }
        tuple.components[component] = value
        let present = tuple.components.compactMap { $0 }
        incomplete[key] = present.count == types.count ? nil : tuple
        return present.count == types.count ? [Tensor(tuple.index), Tensor(key)] + present : nil
    }

    /// Takes `count` complete tuples, ordered by index.
    /// - Returns: the ticket of the attempt.
    /// - Throws: `outOfRange` when the barrier is closed and there will never be enough tuples.
    mutating func take(_ count: Int, allowsSmallBatch: Bool, _ done: @escaping Completion<[QueueElement]>) throws
        -> QueueState.Ticket
    {
        var wanted = count
        if isClosed {
            var available = ready.count
            if allowsSmallBatch {
                wanted = min(count, available)
            } else {
                available += incomplete.count
            }
            guard available >= max(wanted, 1) else {
                throw Status.outOfRange(
                    "Barrier '\(name)' is closed and has insufficient elements (requested \(wanted), "
                        + "total size \(available))")
            }
        }
        return ready.take(wanted, allowsSmallBatch: allowsSmallBatch, done)
    }
    func isWaiting(_ ticket: QueueState.Ticket) -> Bool { ready.isWaiting(ticket) }
    mutating func advance() -> [QueueState.Finished] { ready.advance() }
    mutating func setRegistration(_ registration: QueueState.Registration, for ticket: QueueState.Ticket) {
        ready.setRegistration(registration, for: ticket)
    }
    mutating func cancel(_ ticket: QueueState.Ticket) -> [QueueState.Finished] { ready.cancel(ticket) }
    mutating func shutDown() -> [QueueState.Finished] { ready.shutDown() }

    /// Closes the barrier for new keys. With `cancelsPending` it also drops the incomplete tuples.
    /// - Throws: `cancelled` when the barrier is already closed.
    mutating func close(cancelsPending: Bool) throws -> [QueueState.Finished] {
        guard !isClosed || (cancelsPending && !self.cancelsPending) else {
            throw Status.cancelled("Barrier '\(name)' is already closed.")
        }
        self.cancelsPending = cancelsPending
        isClosed = true
        if cancelsPending { incomplete = [:] }
        return incomplete.isEmpty && !ready.isClosed ? closeReady() : []
    }
    private mutating func closeReady() -> [QueueState.Finished] {
        _ = ready.close { _ in }
        return ready.advance()
    }
}
