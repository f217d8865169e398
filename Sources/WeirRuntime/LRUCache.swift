/// An LRU cache with a limited number of entries and a limited total weight. It evicts the entry that was used least recently.
///
/// All state that peers and clients can make a server keep is in such a table. Using, inserting and removing an entry take
/// constant time. Not thread-safe: the owner must lock it.
package struct LRUCache<Key: Hashable, Value> {
    @usableFromInline
    struct Entry {
        @usableFromInline let key: Key
        @usableFromInline var value: Value
        @usableFromInline let weight: Int
        /// The next newer and next older entry, as indices of `entries`; -1 if there is none.
        @usableFromInline var newer: Int
        @usableFromInline var older: Int
        @inlinable init(key: Key, value: Value, weight: Int, newer: Int, older: Int) {
            self.key = key
            self.value = value
            self.weight = weight
            self.newer = newer
            self.older = older
        }
    }
    /// How many busy entries one eviction skips at most. After that the table stays over its limit for a while.
    @usableFromInline static var maximumSkipCount: Int { 64 }

    package let capacity: Int
    package let weightCapacity: Int
    @usableFromInline var entries: [Entry?] = []
    @usableFromInline var free: [Int] = []
    @usableFromInline var places: [Key: Int] = [:]
    @usableFromInline var newest = -1
    @usableFromInline var oldest = -1
    /// The total weight of all entries.
    @usableFromInline var total = 0

    @inlinable package init(capacity: Int, weight: Int = .max) {
        self.capacity = capacity
        weightCapacity = weight
    }

    @inlinable package var count: Int { places.count }
    @inlinable package var weight: Int { total }
    @inlinable package var isEmpty: Bool { places.isEmpty }
    /// The values, in no particular order.
    @inlinable package var values: [Value] { places.values.compactMap { entries[$0]?.value } }

    /// The value of a key. Marks the entry as used most recently.
    @inlinable package mutating func use(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        if place != newest {
            detach(place)
            attach(place)
        }
        return entries[place]?.value
    }
    /// The value of a key. Does not change the order of use.
    @inlinable package func peek(_ key: Key) -> Value? { places[key].flatMap { entries[$0]?.value } }

    /// Inserts an entry, or replaces the entry of the same key.
    ///
    /// - Parameter isBusy: whether a value is in use and must not be evicted. Called for the oldest entries when the table is
    ///   too large.
    /// - Returns: the removed values: the replaced one and the evicted ones.
    @inlinable package mutating func insert(
        _ key: Key, _ value: Value, weight: Int = 1, sparing isBusy: (Value) -> Bool = { _ in false }
    ) -> [Value] {
        var gone: [Value] = []
        if let before = remove(key) { gone.append(before) }
        let entry = Entry(key: key, value: value, weight: weight, newer: -1, older: -1)
        let place: Int
        if let reused = free.popLast() {
            place = reused
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[key] = place
        total += weight
        attach(place)
        evict(sparing: isBusy, except: place, into: &gone)
        return gone
    }

    /// Changes the weight of an entry, as if it were inserted again.
    /// - Returns: the evicted values.
    @inlinable package mutating func reweigh(_ key: Key, _ weight: Int, sparing isBusy: (Value) -> Bool = { _ in false }) -> [Value] {
        guard let value = remove(key) else { return [] }
        return insert(key, value, weight: weight, sparing: isBusy)
    }

    @inlinable mutating func evict(sparing isBusy: (Value) -> Bool, except kept: Int, into gone: inout [Value]) {
        var passed = 0
        while count > capacity || total > weightCapacity, count > 1, passed < min(LRUCache.maximumSkipCount, count) {
            let place = oldest
            guard let entry = entries[place] else { return }
            if place == kept || isBusy(entry.value) {
                detach(place)
                attach(place)
                passed += 1
            } else if let value = remove(entry.key) {
                gone.append(value)
            }
        }
    }

    @inlinable @discardableResult package mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key), let entry = entries[place] else { return nil }
        detach(place)
        entries[place] = nil
        free.append(place)
        total -= entry.weight
        return entry.value
    }

    /// - Returns: all values, in no particular order.
    @inlinable package mutating func removeAll() -> [Value] {
        let all = values
        self = LRUCache(capacity: capacity, weight: weightCapacity)
        return all
    }

    @inlinable mutating func detach(_ place: Int) {
        guard let entry = entries[place] else { return }
        if entry.newer >= 0 { entries[entry.newer]?.older = entry.older } else { newest = entry.older }
        if entry.older >= 0 { entries[entry.older]?.newer = entry.newer } else { oldest = entry.newer }
    }
    @inlinable mutating func attach(_ place: Int) {
        entries[place]?.newer = -1
        entries[place]?.older = newest
        if newest >= 0 { entries[newest]?.newer = place } else { oldest = place }
        newest = place
    }
}

extension LRUCache: Sendable where Key: Sendable, Value: Sendable {}
extension LRUCache.Entry: Sendable where Key: Sendable, Value: Sendable {}
