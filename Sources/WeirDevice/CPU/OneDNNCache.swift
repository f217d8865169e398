import Synchronization

/// What oneDNN has compiled so far, by what it is for: compiling takes milliseconds.
final class OneDNNCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// nil where oneDNN has no fast way, so that it is not asked again.
    private let known = Mutex<[Key: Value?]>([:])
    /// Beyond this many the cache starts anew: a graph has tens.
    private let limit = 1024

    /// - Parameter make: called outside of the lock; at worst two threads make the same.
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
