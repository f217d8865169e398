import WeirGraph
import WeirKernels
import WeirTensor

/// What a barrier decides: tuples that are being put together by key, and a queue of those that are whole, ordered by
/// when their keys first came.
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
            takesWholeBatches: true)
    }

    var incompleteCount: Int { incomplete.count }
    var readyCount: Int { ready.count }

    /// Gives component `component` of each key a value, up to the first key that may not have it.
    /// - Returns: the waiting attempts that came to an end by it, and what was wrong.
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
        // Closed, and nothing is left that could still come.
        if isClosed, incomplete.isEmpty, !ready.isClosed { finished += closeReady() }
        return (finished, failure)
    }

    /// - Returns: the tuple, with index and key, when it is whole now.
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

    /// Takes `count` whole tuples, in the order of their indices.
    /// - Returns: the ticket of the attempt, nil when it was refused.
    /// - Throws: `outOfRange` when so many will never come.
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

    /// Refuses new keys from now on; with `cancelsPending` forgets those that are not whole.
    /// - Throws: `cancelled` when it was closed before.
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
