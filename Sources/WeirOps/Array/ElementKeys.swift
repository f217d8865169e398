import WeirKernels
import WeirTensor

/// A mapping of elements to keys. Keys are equal if and only if the elements are equal.
///
/// A NaN equals nothing, so each NaN gets a key of its own. Both zeros get the same key.
struct ElementKeys {
    private var nanCount: UInt64 = 0
    private var texts: [ByteString: UInt64] = [:]

    /// Returns the key of each element, or nil for dtypes that are not supported: complex, resource and variant.
    /// - Throws: `resourceExhausted` when memory runs short: a key may be eight times as large as its element.
    mutating func keys(of tensor: Tensor) throws(Status) -> [UInt64]? {
        try MemoryBudget.take(listBytes(tensor.elementCount))
        switch tensor.dtype {
        case .float32:
            return floats(tensor, Float.self) { UInt64($0.bitPattern) }
        case .float64: return floats(tensor, Double.self) { $0.bitPattern }
        case .float16: return tensor.elements(Float16.self).map { key(Float($0)) { UInt64($0.bitPattern) } }
        case .bfloat16: return tensor.elements(BFloat16.self).map { key($0.float) { UInt64($0.bitPattern) } }
        case .int8, .uint8, .bool, .qint8, .quint8: return tensor.elements(UInt8.self).map { UInt64($0) }
        case .int16, .uint16, .qint16, .quint16: return tensor.elements(UInt16.self).map { UInt64($0) }
        case .int32, .uint32, .qint32: return tensor.elements(UInt32.self).map { UInt64($0) }
        case .int64, .uint64: return Array(tensor.elements(UInt64.self))
        case .string:
            return tensor.elements(ByteString.self).map { text in
                let fresh = UInt64(texts.count)
                return texts[text]
                    ?? {
                        texts[text] = fresh
                        return fresh
                    }()
            }
        case .complex64, .complex128, .resource, .variant: return nil
        }
    }

    private mutating func floats<F: BinaryFloatingPoint>(
        _ tensor: Tensor, _ type: F.Type, _ bits: (F) -> UInt64
    ) -> [UInt64] {
        tensor.elements(F.self).map { key($0, bits) }
    }
    private mutating func key<F: BinaryFloatingPoint>(_ value: F, _ bits: (F) -> UInt64) -> UInt64 {
        guard value == value else {
            // The key is the bit pattern of a double's NaN, which is no other element's key.
            nanCount += 1
            return 0x7FF8_0000_0000_0000 | nanCount
        }
        return value == 0 ? 0 : bits(value)
    }
}

/// A hash table that numbers keys in the order in which they first appear. It uses open addressing for speed, because it is
/// called once per element.
final class KeyTable {
    private struct Slot {
        var key: UInt64 = 0
        /// -1 in an empty slot.
        var number: Int32 = -1
    }
    /// The number of distinct keys so far.
    private(set) var count = 0
    private var slots: UnsafeMutableBufferPointer<Slot>
    private var shift: UInt64
    // Random for each table, so that a client cannot choose keys that all collide.
    private let factor = UInt64.random(in: 0 ... .max) | 1

    /// Makes an empty table.
    /// - Parameter expected: the approximate number of distinct keys.
    init(expected: Int = 0) {
        var bits: UInt64 = 6
        while bits < 32, 1 << bits < 2 * expected { bits += 1 }
        shift = 64 - bits
        slots = .allocate(capacity: 1 << bits)
        slots.initialize(repeating: Slot())
    }
    deinit { slots.deallocate() }

    /// Returns the number of a key, and whether the key is new. A new key gets the next number.
    func number(_ key: UInt64) -> (number: Int32, isNew: Bool) {
        var slot = find(key)
        if slots[slot].number >= 0 { return (slots[slot].number, false) }
        if 2 * count >= slots.count {
            grow()
            slot = find(key)
        }
        slots[slot] = Slot(key: key, number: Int32(count))
        count += 1
        return (Int32(count - 1), true)
    }
    /// Returns whether the table holds a key.
    func contains(_ key: UInt64) -> Bool { slots[find(key)].number >= 0 }

    private func grow() {
        let old = slots
        shift -= 2
        slots = .allocate(capacity: 4 * old.count)
        slots.initialize(repeating: Slot())
        for slot in old where slot.number >= 0 { slots[find(slot.key)] = slot }
        old.deallocate()
    }

    private func find(_ key: UInt64) -> Int {
        var mixed = (key ^ (key >> 32)) &* factor
        mixed = (mixed ^ (mixed >> 29)) &* 0x9E37_79B9_7F4A_7C15
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: mixed >> shift)
        while slots[slot].number >= 0, slots[slot].key != key { slot = (slot &+ 1) & mask }
        return slot
    }
}
