import Synchronization
import WeirTensor

/// The ids of the latest requests, to reject duplicates. A client sends a request again when its connection broke, and the first
/// one may already have been executed.
final class RecentRequests: Sendable {
    private struct State {
        /// The ids in a ring buffer.
        var ring: [Int] = []
        /// The index of the oldest id when the ring is full.
        var oldest = 0
        var known: Set<Int> = []
    }
    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = capacity }

    /// Records a request.
    /// - Parameter id: 0 for a client that does not number its requests.
    /// - Throws: `aborted` for a duplicate.
    func record(_ id: Int, method: String) throws(Status) {
        guard id != 0 else { return }
        let isNew = state.withLock { state -> Bool in
            guard state.known.insert(id).inserted else { return false }
            if state.ring.count < capacity {
                state.ring.append(id)
            } else {
                state.known.remove(state.ring[state.oldest])
                state.ring[state.oldest] = id
                state.oldest = (state.oldest + 1) % capacity
            }
            return true
        }
        guard isNew else {
            throw .aborted("The same \(method) request was received twice. request_id: \(id)")
        }
    }
}
