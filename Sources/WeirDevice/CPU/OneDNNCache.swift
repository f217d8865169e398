import Synchronization

/// The primitives that oneDNN has compiled, by key. Compiling one takes milliseconds.
final class OneDNNCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// A value is nil when oneDNN has no fast implementation, so that it is not asked again.
    private let known = Mutex<[Key: Value?]>([:])
    /// The cache is emptied when it reaches this size. A graph needs tens of primitives.
    private let limit = 1024

    /// Returns the value of a key, and makes it when the cache has none.
    /// - Parameter make: called without the lock; two threads may make the same value.
    func value(_ key: Key, make: (Key) -> Value?) -> Value? {
        if let found = known.withLock({ $0[key] }) { return found }
        let made = make(key)
        known.withLock { known in
            if known.count >= limit { known = [:] }
            known[key] = .some(made)
        }
        return made
    }
}
