import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// The state of a staging area of any kind. An operation either succeeds immediately or must wait.
protocol StagingArea: Sendable {
    associatedtype Operation: Sendable
    /// Attempts an operation.
    /// - Returns: the result, or nil if the operation must wait.
    mutating func attempt(_ operation: Operation) -> Result<[Tensor], Status>?
    mutating func clear()
}

/// A staging area on a device. A mutex protects its state and the list of waiting operations. No thread blocks on a full or
/// empty area.
final class StagingResource<Area: StagingArea>: CacheableResource {
    static var kind: String { "N10tensorflow12_GLOBAL__N_1\(Area.self)E" }

    private struct Waiting: Sendable {
        let ticket: Int
        let operation: Area.Operation
        let done: Completion<[Tensor]>
        var registration: QueueState.Registration?
    }
    private struct State: Sendable {
        var area: Area
        var waiting = RingBuffer<Waiting>()
        var lastTicket = 0
        var isClosed = false

        /// Attempts all waiting operations in order, until none succeeds any more.
        mutating func advance() -> [(Waiting, Result<[Tensor], Status>)] {
            var finished: [(Waiting, Result<[Tensor], Status>)] = []
            var index = 0
            while index < waiting.count {
                if let result = area.attempt(waiting[index].operation) {
                    finished.append((waiting.remove(at: index), result))
                    index = 0
                } else {
                    index += 1
                }
            }
            return finished
        }
    }
    private let state: Mutex<State>
    private let isDropped = Atomic<Bool>(false)

    init(_ area: Area) { state = Mutex(State(area: area)) }

    func read<R: Sendable>(_ body: (Area) -> R) -> R { state.withLock { body($0.area) } }

    func clear() {
        tell(
            state.withLock { state in
                state.area.clear()
                return state.advance()
            })
    }

    /// Performs an operation, immediately or as soon as it is possible. Calls `done` with the result. After `close` the
    /// operation fails, because nothing would ever end its wait.
    func perform(_ operation: Area.Operation, _ cancellation: Cancellation, _ done: @escaping Completion<[Tensor]>) {
        let (result, finished) = state.withLock {
            state -> (Result<[Tensor], Status>?, [(Waiting, Result<[Tensor], Status>)]) in
            if state.isClosed { return (.failure(StagingResource.cancelled), []) }
            if let result = state.area.attempt(operation) { return (result, state.advance()) }
            state.lastTicket += 1
            let ticket = state.lastTicket
            guard let token = cancellation.register({ [weak self] in self?.cancel(ticket) }) else {
                return (.failure(StagingResource.cancelled), [])
            }
            state.waiting.append(
                Waiting(
                    ticket: ticket, operation: operation, done: done,
                    registration: QueueState.Registration(cancellation: cancellation, token: token)))
            return (nil, [])
        }
        tell(finished)
        if let result { done(result) }
    }

    var isClosed: Bool { isDropped.load(ordering: .acquiring) }
    func close() {
        isDropped.store(true, ordering: .releasing)
        tell(
            state.withLock { state in
                state.isClosed = true
                var ended: [(Waiting, Result<[Tensor], Status>)] = []
                while let waiting = state.waiting.popFirst() {
                    ended.append((waiting, .failure(StagingResource.cancelled)))
                }
                return ended
            })
    }

    private static var cancelled: Status { .cancelled("Staging area operation was cancelled") }

    private func cancel(_ ticket: Int) {
        tell(
            state.withLock { state in
                guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else { return [] }
                return [(state.waiting.remove(at: index), .failure(StagingResource.cancelled))]
            })
    }
    private func tell(_ finished: [(Waiting, Result<[Tensor], Status>)]) {
        for (waiting, result) in finished {
            if let registration = waiting.registration { registration.cancellation.deregister(registration.token) }
            waiting.done(result)
        }
    }
}
