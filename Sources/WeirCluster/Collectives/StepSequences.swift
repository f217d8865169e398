import Synchronization
import WeirRuntime
import WeirTensor

/// The step ids that several masters agree on: one sequence for each graph key. TensorFlow's `StepSequenceInterface`.
///
/// The task that leads the groups draws the first id of a sequence. Each master uses the same ids in the same order, as long as
/// its steps succeed; after a failure it asks the leader again.
final class StepSequences: Sendable {
    /// The next id by graph key. Clients choose the keys.
    private let next = Mutex(LRUCache<Int, Int>(capacity: 10_000))

    /// The next id of a sequence; nil if it is not known.
    func known(_ graphKey: Int) -> Int? { next.withLock { $0.use(graphKey) } }

    /// Starts sequences that are not known, and returns the next id of each. Called by the leader.
    func ids(_ graphKeys: [Int]) -> [Int: Int] {
        next.withLock { next in
            var found: [Int: Int] = [:]
            for key in graphKeys {
                let id = next.use(key) ?? StepRunner.newStepID()
                _ = next.insert(key, id)
                found[key] = id
            }
            return found
        }
    }

    /// Stores the leader's answer.
    func update(_ graphKey: Int, _ id: Int) { _ = next.withLock { $0.insert(graphKey, id) } }

    /// Advances a sequence after a step that succeeded. If another step has changed the sequence, it is not known any more.
    func retire(_ graphKey: Int, _ id: Int) {
        next.withLock { next in
            guard next.peek(graphKey) == id else {
                next.remove(graphKey)
                return
            }
            _ = next.insert(graphKey, StepSequences.after(id))
        }
    }

    /// Forgets a sequence after a step that failed.
    func invalidate(_ graphKey: Int) { next.withLock { _ = $0.remove(graphKey) } }

    /// Step ids have at most 57 bits.
    private static func after(_ id: Int) -> Int { (id &+ 1) & (1 << 57 - 1) }
}
