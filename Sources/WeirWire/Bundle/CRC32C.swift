/// CRC-32C (Castagnoli), the checksum of records, table blocks and checkpointed tensors.
package enum CRC32C {
    package static func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        extend(0, bytes)
    }

    /// Extends a checksum: the result is the checksum of the earlier bytes followed by `bytes`.
    package static func extend(_ crc: UInt32, _ bytes: some Collection<UInt8>) -> UInt32 {
        bytes.withContiguousStorageIfAvailable { extend(crc, UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { extend(crc, $0) }
    }

    /// - Complexity: O(n), eight bytes at a time.
    package static func extend(_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var state = ~crc
            var offset = 0
            while offset + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let low = UInt32(truncatingIfNeeded: word) ^ state
                let high = UInt32(truncatingIfNeeded: word >> 32)
                state =
                    table[0x700 + Int(low & 0xff)] ^ table[0x600 + Int(low >> 8 & 0xff)]
                    ^ table[0x500 + Int(low >> 16 & 0xff)] ^ table[0x400 + Int(low >> 24)]
                    ^ table[0x300 + Int(high & 0xff)] ^ table[0x200 + Int(high >> 8 & 0xff)]
                    ^ table[0x100 + Int(high >> 16 & 0xff)] ^ table[Int(high >> 24)]
                offset += 8
            }
            while offset < bytes.count {
                state = state >> 8 ^ table[Int((state ^ UInt32(bytes[offset])) & 0xff)]
                offset += 1
            }
            return ~state
        }
    }

    /// The form in which a checksum is stored. A checksum of data that contain their own checksum is weak, so stored checksums
    /// are rotated and offset.
    package static func mask(_ crc: UInt32) -> UInt32 {
        (crc >> 15 | crc << 17) &+ 0xa282_ead8
    }

    package static func unmask(_ masked: UInt32) -> UInt32 {
        let rotated = masked &- 0xa282_ead8
        return rotated >> 17 | rotated << 15
    }

    /// Eight tables of 256 entries. Table k advances a byte past k further bytes. Computed at first use.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var state = UInt32(byte)
            for _ in 0..<8 { state = state & 1 == 0 ? state >> 1 : state >> 1 ^ 0x82f6_3b78 }
            tables[byte] = state
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = previous >> 8 ^ tables[Int(previous & 0xff)]
        }
        return tables
    }()
}
