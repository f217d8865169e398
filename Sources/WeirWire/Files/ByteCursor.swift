package import WeirTensor

/// Reads bytes from front to back. Reading past the end throws `dataLoss`.
package struct ByteCursor {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    private let what: String

    /// - Parameter what: names the bytes in error messages, such as `snappy block`.
    package init(_ bytes: ArraySlice<UInt8>, _ what: String) {
        self.bytes = bytes
        position = bytes.startIndex
        self.what = what
    }

    package var isAtEnd: Bool { position == bytes.endIndex }
    package var remaining: Int { bytes.endIndex - position }

    package mutating func byte() throws(Status) -> UInt8 {
        guard position < bytes.endIndex else { throw ended(wanting: 1) }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func varint() throws(Status) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            let byte = try byte()
            if shift == 63, byte > 1 { break }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw .dataLoss("\(what): a number of more than 64 bits, \(remaining) bytes before the end")
    }

    /// Reads a varint that must fit into an `Int`.
    package mutating func size() throws(Status) -> Int {
        let value = try varint()
        guard let size = Int(exactly: value) else { throw .dataLoss("\(what): \(value) is too large for a size") }
        return size
    }

    package mutating func littleEndian<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) throws(Status) -> T {
        let width = T.bitWidth / 8
        guard remaining >= width else { throw ended(wanting: width) }
        var value: T = 0
        for offset in 0..<width { value |= T(bytes[position + offset]) << T(8 * offset) }
        position += width
        return value
    }

    package mutating func bytes(_ count: Int) throws(Status) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw ended(wanting: count) }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Reads a byte count and as many bytes.
    package mutating func prefixedBytes() throws(Status) -> ArraySlice<UInt8> {
        try bytes(try size())
    }

    private func ended(wanting count: Int) -> Status {
        .dataLoss("\(what): \(count) more bytes expected, \(remaining) are left of \(bytes.count)")
    }
}

extension [UInt8] {
    package mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
