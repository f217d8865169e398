package import WeirTensor

/// Keys of slices in a checkpoint. They encode the tensor's name and the slice in a form ("ordered code") that sorts by name
/// first, then by position.
extension TensorSlice {
    /// The key of this slice of the tensor `name`.
    package func key(in name: ByteString) -> ByteString {
        // Keys of slices begin with a zero byte; names do not.
        var key: [UInt8] = [0]
        for byte in name.bytes {
            key.append(byte)
            // 00 and FF are escaped, so that 00 01 ends the name and still sorts before every longer name.
            if byte == 0x00 { key.append(0xff) }
            if byte == 0xff { key.append(0x00) }
        }
        key += [0x00, 0x01]
        key.appendOrdered(UInt(extents.count))
        for extent in extents {
            key.appendOrdered(signed: Int64(extent.start))
            key.appendOrdered(signed: Int64(extent.length ?? -1))
        }
        return ByteString(key)
    }
}

extension [UInt8] {
    /// Appends the number of significant bytes, then these bytes, most significant first.
    fileprivate mutating func appendOrdered(_ value: UInt) {
        let count = (UInt.bitWidth - value.leadingZeroBitCount + 7) / 8
        append(UInt8(count))
        for index in (0..<count).reversed() { append(UInt8(truncatingIfNeeded: value >> UInt(8 * index))) }
    }

    /// Appends a number in two's complement, most significant byte first, in as few bytes as possible. The first bits give the
    /// number of bytes: as many 1 bits, inverted for negative numbers, so that these sort first.
    fileprivate mutating func appendOrdered(signed value: Int64) {
        let magnitude = UInt64(bitPattern: value < 0 ? ~value : value)
        // n bytes have n prefix bits and 7n other bits, one of which is the sign.
        let count = Swift.max(1, (UInt64.bitWidth - magnitude.leadingZeroBitCount) / 7 + 1)
        var encoded = [UInt8](repeating: value < 0 ? 0xff : 0, count: Swift.max(0, count - 8))
        for index in (0..<Swift.min(8, count)).reversed() {
            encoded.append(UInt8(truncatingIfNeeded: value >> Int64(8 * index)))
        }
        for bit in 0..<count { encoded[bit / 8] ^= 0x80 >> UInt8(bit % 8) }
        append(contentsOf: encoded)
    }
}
