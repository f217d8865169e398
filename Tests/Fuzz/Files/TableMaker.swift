import Weir
import WeirWire

/// Writes a checkpoint's table of one block with right checksums, so that readers get to its mutated contents.
struct TableMaker {
    var random: SplitMix64

    /// The bytes of a `.index` file.
    mutating func table(_ entries: [(key: [UInt8], value: [UInt8])], mutator: inout Mutator) -> [UInt8] {
        var file: [UInt8] = []
        func handle(_ block: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendVarint(UInt64(file.count))
            bytes.appendVarint(UInt64(block.count))
            var trailer: [UInt8] = block + [random.chance(97) ? 0 : UInt8(random.int(1...3))]
            trailer.appendLittleEndian(CRC32C.mask(CRC32C.checksum(trailer)))
            file += trailer
            return bytes
        }
        var data = block(entries)
        if random.chance(30) { data = mutator.raw(data) }
        let dataHandle = handle(data)
        let metaHandle = handle(block([]))
        var last = (entries.last?.key ?? []) + [0xFF]
        if random.chance(4) { last = [] }
        var index = block([(last, random.chance(92) ? dataHandle : mutator.raw(dataHandle))])
        if random.chance(10) { index = mutator.raw(index) }
        let indexHandle = handle(index)
        var footer = metaHandle + (random.chance(94) ? indexHandle : mutator.raw(indexHandle))
        footer = Array((footer + [UInt8](repeating: 0, count: 40)).prefix(40))
        footer.appendLittleEndian(UInt64(0xdb47_7524_8b80_fb57))
        file += footer
        return random.chance(95) ? file : mutator.raw(file)
    }

    private mutating func block(_ entries: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (key, value) in entries {
            bytes.appendVarint(random.chance(98) ? 0 : UInt64(random.below(9)))
            bytes.appendVarint(UInt64(key.count))
            bytes.appendVarint(UInt64(value.count))
            bytes += key + value
        }
        bytes.appendLittleEndian(UInt32(0))
        bytes.appendLittleEndian(UInt32(1))
        return bytes
    }
}
