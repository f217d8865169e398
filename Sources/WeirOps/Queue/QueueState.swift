import WeirGraph
import WeirKernels
import WeirTensor

/// The state of a queue, without locks, threads and steps: the elements, and two lists of waiting attempts, one of enqueues
/// and one of dequeues. Each list is processed in order.
///
/// Every change returns the attempts that have finished. The caller calls their completions after it has released the lock.
struct QueueState: Sendable {
    typealias Ticket = Int

    /// An attempt that has finished.
    struct Finished: Sendable {
        let ticket: Ticket
        /// The elements taken; empty for enqueue and close.
        let result: Result<[QueueElement], Status>
        let done: Completion<[QueueElement]>
        let registration: Registration?

        func tell() {
            if let registration { registration.cancellation.deregister(registration.token) }
            done(result)
        }
    }
    /// The registration of an attempt at a cancellation.
    struct Registration: Sendable {
        let cancellation: Cancellation
        let token: Cancellation.Token
    }

    private enum Work: Sendable {
        case put([QueueElement], next: Int)
        case close
        case take(needed: Int, taken: [QueueElement], allowsSmallBatch: Bool)
    }
    private struct Attempt: Sendable {
        let ticket: Ticket
        var work: Work
        let done: Completion<[QueueElement]>
        var registration: Registration?
    }
    private enum Outcome {
        case blocked, progress
        case done(Result<[QueueElement], Status>)
    }

    /// The kind of the queue in error messages: `FIFOQueue`.
    let label: String
    let name: String
    let capacity: Int
    /// The number of elements that a dequeue leaves while the queue is open (`min_after_dequeue`).
    let reserve: Int
    /// Whether a batch is dequeued at once or not at all. A priority queue does this so that the batch is in order.
    let dequeuesBatchesAtomically: Bool
    private var store: any ElementStore
    private(set) var isClosed = false
    private var enqueuing = RingBuffer<Attempt>()
    private var taking = RingBuffer<Attempt>()
    private var lastTicket = 0

    init(
        label: String, name: String, capacity: Int, store: any ElementStore, reserve: Int = 0,
        dequeuesBatchesAtomically: Bool = false
    ) {
        self.label = label
        self.name = name
        self.capacity = capacity
        self.store = store
        self.reserve = reserve
        self.dequeuesBatchesAtomically = dequeuesBatchesAtomically
    }

    var count: Int { store.count }

    // MARK: Attempts. The caller runs `advance` after it has added one.

    mutating func put(_ elements: [QueueElement], _ done: @escaping Completion<[QueueElement]>) -> Ticket {
        enqueuing.append(attempt(.put(elements, next: 0), done))
        return lastTicket
    }
    /// Closes the queue after the enqueues that wait.
    mutating func close(_ done: @escaping Completion<[QueueElement]>) -> Ticket {
        enqueuing.append(attempt(.close, done))
        return lastTicket
    }
    /// Takes `count` elements. With `allowsSmallBatch` it takes what is left, at least one, once the queue is closed.
    mutating func take(_ count: Int, allowsSmallBatch: Bool = false, _ done: @escaping Completion<[QueueElement]>)
        -> Ticket
    {
        taking.append(attempt(.take(needed: count, taken: [], allowsSmallBatch: allowsSmallBatch), done))
        return lastTicket
    }
    private mutating func attempt(_ work: Work, _ done: @escaping Completion<[QueueElement]>) -> Attempt {
        lastTicket += 1
        return Attempt(ticket: lastTicket, work: work, done: done, registration: nil)
    }

    /// Returns whether the attempt still waits.
    func isWaiting(_ ticket: Ticket) -> Bool {
        enqueuing.firstIndex { $0.ticket == ticket } != nil || taking.firstIndex { $0.ticket == ticket } != nil
    }
    mutating func setRegistration(_ registration: Registration, for ticket: Ticket) {
        if let index = enqueuing.firstIndex(where: { $0.ticket == ticket }) { enqueuing[index].registration = registration }
        if let index = taking.firstIndex(where: { $0.ticket == ticket }) { taking[index].registration = registration }
    }

    /// Cancels one waiting attempt. Elements that it has already taken are lost.
    mutating func cancel(_ ticket: Ticket) -> [Finished] {
        if let index = enqueuing.firstIndex(where: { $0.ticket == ticket }) {
            return [QueueState.cancelled(enqueuing.remove(at: index), "Enqueue")] + advance()
        }
        if let index = taking.firstIndex(where: { $0.ticket == ticket }) {
            return [QueueState.cancelled(taking.remove(at: index), "Dequeue")] + advance()
        }
        return []
    }
    /// Closes the queue immediately and cancels the enqueues that wait.
    mutating func closeCancellingPending() -> [Finished] {
        isClosed = true
        var finished: [Finished] = []
        while let attempt = enqueuing.popFirst() { finished.append(QueueState.cancelled(attempt, "Enqueue")) }
        return finished + advance()
    }
    /// Closes the queue and cancels all attempts, because the queue is dropped.
    mutating func shutDown() -> [Finished] {
        isClosed = true
        var finished: [Finished] = []
        while let attempt = enqueuing.popFirst() { finished.append(QueueState.cancelled(attempt, "Enqueue")) }
        while let attempt = taking.popFirst() { finished.append(QueueState.cancelled(attempt, "Dequeue")) }
        return finished
    }
    private static func cancelled(_ attempt: Attempt, _ operation: String) -> Finished {
        Finished(
            ticket: attempt.ticket, result: .failure(.cancelled("\(operation) operation was cancelled")),
            done: attempt.done,
            registration: attempt.registration)
    }

    /// Processes attempts until all wait.
    /// - Returns: the attempts that have finished.
    mutating func advance() -> [Finished] {
        var finished: [Finished] = []
        var changed = true
        while changed {
            changed = false
            while let attempt = enqueuing.popFirst() {
                guard let next = step(attempt, &finished, &changed) else { continue }
                enqueuing.prepend(next)
                break
            }
            while let attempt = taking.popFirst() {
                guard let next = step(attempt, &finished, &changed) else { continue }
                taking.prepend(next)
                break
            }
        }
        return finished
    }

    /// Processes one attempt. Returns it if it has not finished.
    private mutating func step(_ attempt: consuming Attempt, _ finished: inout [Finished], _ changed: inout Bool)
        -> Attempt?
    {
        let outcome: Outcome =
            switch attempt.work {
            case .put: tryPut(&attempt.work)
            case .close: tryClose()
            case .take: tryTake(&attempt.work)
            }
        switch outcome {
        case .blocked: return attempt
        case .progress:
            changed = true
            return attempt
        case .done(let result):
            changed = true
            finished.append(
                Finished(ticket: attempt.ticket, result: result, done: attempt.done, registration: attempt.registration)
            )
            return nil
        }
    }

    private mutating func tryClose() -> Outcome {
        guard !isClosed else { return .done(.failure(.cancelled("Queue '\(name)' is already closed."))) }
        isClosed = true
        return .done(.success([]))
    }

    private mutating func tryPut(_ work: inout Work) -> Outcome {
        guard case .put(var elements, var next) = work else { return .blocked }
        guard !isClosed else { return .done(.failure(.cancelled("\(label) '\(name)' is closed."))) }
        work = .close  // releases the reference, so that the mutation below does not copy `elements`
        let first = next
        while next < elements.count, store.count < capacity {
            store.insert(elements[next])
            elements[next] = []
            next += 1
        }
        if next == elements.count { return .done(.success([])) }
        work = .put(elements, next: next)
        return next > first ? .progress : .blocked
    }

    private mutating func tryTake(_ work: inout Work) -> Outcome {
        guard case .take(var needed, var taken, let allowsSmallBatch) = work else { return .blocked }
        work = .close
        var available = store.count
        let isShort = available < needed
        if isClosed, isShort, dequeuesBatchesAtomically {
            if available == 0 || !allowsSmallBatch { return .done(.failure(insufficient(needed, available))) }
            needed = available
        } else if isClosed, isShort {
            // There will never be enough elements: puts back what was taken.
            store.putBack(taken)
            taken = []
            if allowsSmallBatch, store.count > 0 {
                available = store.count
                needed = available
            } else if allowsSmallBatch, !enqueuing.isEmpty {
                // Waits for the enqueues to end first: one of them may still leave an element.
                work = .take(needed: needed, taken: taken, allowsSmallBatch: allowsSmallBatch)
                return .progress
            } else {
                return .done(.failure(insufficient(needed, available)))
            }
        } else if isShort, dequeuesBatchesAtomically {
            work = .take(needed: needed, taken: taken, allowsSmallBatch: allowsSmallBatch)
            return .blocked
        }
        if !isClosed { available -= reserve }
        let moved = max(0, min(available, needed))
        for _ in 0..<moved { taken.append(store.take()) }
        needed -= moved
        if needed == 0 { return .done(.success(taken)) }
        work = .take(needed: needed, taken: taken, allowsSmallBatch: allowsSmallBatch)
        return moved > 0 ? .progress : .blocked
    }

    private func insufficient(_ needed: Int, _ available: Int) -> Status {
        .outOfRange(
            "\(label) '\(name)' is closed and has insufficient elements (requested \(needed), current size "
                + "\(available))"
        )
    }
}
