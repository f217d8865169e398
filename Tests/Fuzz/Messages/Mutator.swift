/// Mutates bytes: at random, or field by field if they are a protobuf message.
struct Mutator {
    var random: SplitMix64
    /// Strings that are meaningful to the receiver.
    var words: [[UInt8]] = []
    /// Other messages, whose parts are inserted into this one.
    var donors: [[UInt8]] = []

    init(_ random: SplitMix64) { self.random = random }

    static let extremes: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 40, 1 << 60, 1 << 62, 0x7FFF_FFFF_FFFF_FFFF, 1 << 63, .max, .max - 1,
    ]

    /// Makes zero to six changes.
    mutating func message(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<random.pick([0, 1, 1, 1, 2, 2, 3, 6]) {
            bytes = random.chance(85) ? fields(bytes, 0) : raw(bytes)
        }
        return bytes
    }

    /// Mutates bytes without knowledge of their format.
    mutating func raw(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        guard !bytes.isEmpty else { return (0..<random.below(20)).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
        let position = random.below(bytes.count)
        switch random.below(8) {
        case 0: bytes[position] ^= 1 << UInt8(random.below(8))
        case 1: bytes[position] = random.pick([0, 1, 0x7F, 0x80, 0xFF])
        case 2: bytes.removeSubrange(position...)
        case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
        case 4:
            let end = min(bytes.count, position + random.int(1...16))
            bytes.removeSubrange(position..<end)
        case 5:
            let end = min(bytes.count, position + random.int(1...40))
            bytes.insert(contentsOf: Array(bytes[position..<end]), at: random.below(bytes.count))
        case 6:
            // An integer of eight bytes, little endian.
            let value = random.pick(Mutator.extremes)
            for offset in 0..<8 where position + offset < bytes.count { bytes[position + offset] = UInt8(truncatingIfNeeded: value >> UInt64(8 * offset)) }
        default:
            guard let donor = donors.isEmpty ? nil : random.pick(donors), !donor.isEmpty else { break }
            let start = random.below(donor.count)
            bytes.replaceSubrange(position..<min(bytes.count, position + 8), with: donor[start..<min(donor.count, start + random.int(1...60))])
        }
        return bytes
    }

    private struct Field {
        var number: UInt64
        /// The wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
        var type: UInt8
        var value: UInt64 = 0
        var bytes: [UInt8] = []
    }

    private mutating func fields(_ bytes: [UInt8], _ depth: Int) -> [UInt8] {
        guard var fields = Mutator.parse(bytes), !fields.isEmpty else { return depth == 0 ? raw(bytes) : text(bytes) }
        let index = random.below(fields.count)
        let field = fields[index]
        if field.type == 2, random.chance(75), depth < 12 {
            fields[index].bytes = self.fields(field.bytes, depth + 1)
            return Mutator.encode(fields)
        }
        switch random.below(9) {
        case 0: fields.remove(at: index)
        case 1: fields.insert(field, at: random.below(fields.count + 1))
        case 2: for _ in 0..<random.pick([2, 10, 300]) { fields.insert(field, at: index) }
        case 3: fields[index].number = random.chance(70) ? UInt64(random.int(1...20)) : random.pick([0, 536_870_911, 1 << 28])
        case 4: fields.swapAt(index, random.below(fields.count))
        case 5: fields[index].type = random.pick([0, 1, 2, 5])
        case 6 where field.type == 2:
            // The message nested in itself, several times.
            var nested = field
            for _ in 0..<random.pick([1, 3, 60, 150]) {
                guard nested.bytes.count < 20_000 else { break }
                nested.bytes = Mutator.encode([nested])
            }
            fields[index] = nested
        case 7 where !donors.isEmpty:
            if let others = Mutator.parse(random.pick(donors)), !others.isEmpty { fields.insert(random.pick(others), at: index) }
        default:
            switch field.type {
            case 2: fields[index].bytes = text(field.bytes)
            default: fields[index].value = random.chance(60) ? random.pick(Mutator.extremes) : UInt64(random.below(40))
            }
        }
        return Mutator.encode(fields)
    }

    private mutating func text(_ bytes: [UInt8]) -> [UInt8] {
        switch random.below(6) {
        case 0: return []
        case 1 where !words.isEmpty, 2 where !words.isEmpty, 3 where !words.isEmpty: return random.pick(words)
        case 4 where !words.isEmpty: return bytes + random.pick(words)
        default: return raw(bytes)
        }
    }

    private static func parse(_ bytes: [UInt8]) -> [Field]? {
        var fields: [Field] = []
        var position = 0
        func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while position < bytes.count, shift < 64 {
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while position < bytes.count {
            guard let key = varint(), key >> 3 > 0 else { return nil }
            var field = Field(number: key >> 3, type: UInt8(key & 7))
            switch field.type {
            case 0:
                guard let value = varint() else { return nil }
                field.value = value
            case 1, 5:
                let size = field.type == 1 ? 8 : 4
                guard position + size <= bytes.count else { return nil }
                for offset in 0..<size { field.value |= UInt64(bytes[position + offset]) << UInt64(8 * offset) }
                position += size
            case 2:
                guard let count = varint(), count <= UInt64(bytes.count - position) else { return nil }
                field.bytes = Array(bytes[position..<position + Int(count)])
                position += Int(count)
            default: return nil
            }
            fields.append(field)
        }
        return fields
    }

    private static func encode(_ fields: [Field]) -> [UInt8] {
        var bytes: [UInt8] = []
        func varint(_ value: UInt64) {
            var value = value
            while value >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
                value >>= 7
            }
            bytes.append(UInt8(value))
        }
        for field in fields {
            varint(field.number << 3 | UInt64(field.type))
            switch field.type {
            case 0: varint(field.value)
            case 1: for offset in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: field.value >> UInt64(8 * offset))) }
            case 5: for offset in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: field.value >> UInt64(8 * offset))) }
            default:
                varint(UInt64(field.bytes.count))
                bytes += field.bytes
            }
        }
        return bytes
    }
}
