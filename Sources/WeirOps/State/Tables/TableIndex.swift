import WeirKernels
import WeirTensor

/// A key of a table. The hash depends on a seed of each table, so that clients cannot choose keys that collide.
protocol TableKey: TensorElement {
    func tableHash(_ seed: UInt64) -> UInt64
    static func isSame(_ a: Self, _ b: Self) -> Bool
}

/// A hash table from keys to rows. The rows are numbered from 0 without gaps.
struct TableIndex<K: TableKey> {
    /// The keys, by row.
    private(set) var keys: [K] = []
    /// The slots of a hash table with linear probing that is at most half full: a row, or −1 if the slot is empty.
    private var slots: [Int32] = [Int32](repeating: -1, count: 16)
    private let seed = UInt64.random(in: 0 ... .max)
    /// The maximum number of keys. Rows are stored as 32-bit integers.
    static var maximumCount: Int { 1 << 30 }

    @inline(__always)
    private func home(_ key: K) -> Int { Int(truncatingIfNeeded: key.tableHash(seed)) & (slots.count &- 1) }
    @inline(__always)
    private func next(_ place: Int) -> Int { (place &+ 1) & (slots.count &- 1) }

    @inline(__always)
    func row(of key: K) -> Int? {
        var place = home(key)
        while true {
            let row = Int(slots[place])
            if row < 0 { return nil }
            if K.isSame(keys[row], key) { return row }
            place = next(place)
        }
    }

    /// Adds a key, which must not be in the table.
    mutating func append(_ key: K) {
        keys.append(key)
        if keys.count * 2 > slots.count {
            slots = [Int32](repeating: -1, count: slots.count * 2)
            for row in keys.indices { enter(row) }
        } else {
            enter(keys.count - 1)
        }
    }
    private mutating func enter(_ row: Int) {
        var place = home(keys[row])
        while slots[place] >= 0 { place = next(place) }
        slots[place] = Int32(truncatingIfNeeded: row)
    }

    /// Removes a key and moves the last key to its row.
    /// - Returns: the row, or nil if the key is not in the table.
    mutating func remove(_ key: K) -> Int? {
        guard let row = row(of: key) else { return nil }
        var empty = place(of: row)
        slots[empty] = -1
        // Moves the following entries up, so that no search stops at the empty slot too early.
        var place = next(empty)
        while slots[place] >= 0 {
            let distance = (place &- home(keys[Int(slots[place])])) & (slots.count - 1)
            if distance >= (place &- empty) & (slots.count - 1) {
                slots[empty] = slots[place]
                slots[place] = -1
                empty = place
            }
            place = next(place)
        }
        let last = keys.count - 1
        if row != last {
            slots[self.place(of: last)] = Int32(truncatingIfNeeded: row)
            keys[row] = keys[last]
        }
        keys.removeLast()
        return row
    }
    /// Returns the slot of a row. It compares rows, not keys, because a NaN is not equal to itself.
    private func place(of row: Int) -> Int {
        var place = home(keys[row])
        while Int(slots[place]) != row { place = next(place) }
        return place
    }

    mutating func removeAll() {
        keys = []
        slots = [Int32](repeating: -1, count: 16)
    }
}

/// Mixes the bits of a number: every bit of the result depends on every bit of `number`.
@inline(__always)
private func mixed(_ number: UInt64) -> UInt64 {
    var x = number
    x = (x ^ (x >> 32)) &* 0xD6E8_FEB8_6659_FD93
    x = (x ^ (x >> 32)) &* 0xD6E8_FEB8_6659_FD93
    return x ^ (x >> 32)
}

extension TableKey where Self: Equatable {
    @inline(__always) static func isSame(_ a: Self, _ b: Self) -> Bool { a == b }
}
extension Int32: TableKey {
    @inline(__always) func tableHash(_ seed: UInt64) -> UInt64 { mixed(UInt64(truncatingIfNeeded: self) ^ seed) }
}
extension Int64: TableKey {
    @inline(__always) func tableHash(_ seed: UInt64) -> UInt64 { mixed(UInt64(bitPattern: self) ^ seed) }
}
// +0 and −0 are one key.
extension Float: TableKey {
    @inline(__always)
    func tableHash(_ seed: UInt64) -> UInt64 { mixed(UInt64((self == 0 ? 0 : self).bitPattern) ^ seed) }
}
extension Double: TableKey {
    @inline(__always) func tableHash(_ seed: UInt64) -> UInt64 { mixed((self == 0 ? 0 : self).bitPattern ^ seed) }
}
extension ByteString: TableKey {
    func tableHash(_ seed: UInt64) -> UInt64 {
        bytes.withUnsafeBytes { bytes in
            var hash = seed ^ UInt64(truncatingIfNeeded: bytes.count)
            var position = 0
            while position &+ 8 <= bytes.count {
                hash = mixed(hash ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                position &+= 8
            }
            var rest: UInt64 = 0
            while position < bytes.count {
                rest = rest << 8 | UInt64(bytes[position])
                position &+= 1
            }
            return mixed(hash ^ rest)
        }
    }
}
