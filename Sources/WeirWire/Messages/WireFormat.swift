package import WeirTensor

/// Writes protobuf messages field by field.
///
/// The few messages in checkpoints and event files are small, so they are encoded by hand instead of with generated code.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func varint(_ value: UInt64) {
        bytes.appendVarint(value)
    }

    /// Writes a number, unless it is zero, which proto3 omits.
    package mutating func field(_ number: Int, _ value: Int64) {
        if value != 0 { always(number, value) }
    }

    /// Writes a number even when it is zero: the presence of a oneof's member says which member is set.
    package mutating func always(_ number: Int, _ value: Int64) {
        tag(number, 0)
        varint(UInt64(bitPattern: value))
    }

    package mutating func always(_ number: Int, _ value: Float) {
        tag(number, 5)
        bytes.appendLittleEndian(value.bitPattern)
    }

    package mutating func always(_ number: Int, _ value: Double) {
        tag(number, 1)
        bytes.appendLittleEndian(value.bitPattern)
    }

    package mutating func field(_ number: Int, _ value: Double) {
        // Negative zero is not the default: like protobuf, compare the bits.
        guard value.bitPattern != 0 else { return }
        tag(number, 1)
        bytes.appendLittleEndian(value.bitPattern)
    }

    package mutating func fixed32(_ number: Int, _ value: UInt32) {
        guard value != 0 else { return }
        tag(number, 5)
        bytes.appendLittleEndian(value)
    }

    /// Writes bytes, unless there are none.
    package mutating func field(_ number: Int, _ value: some Collection<UInt8>) {
        if !value.isEmpty { always(number, value) }
    }

    /// Writes bytes even when there are none: an element of a repeated field, or a member of a oneof.
    package mutating func always(_ number: Int, _ value: some Collection<UInt8>) {
        tag(number, 2)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func field(_ number: Int, _ text: String) {
        field(number, text.utf8)
    }

    package mutating func packed(_ number: Int, _ values: [Double]) {
        guard !values.isEmpty else { return }
        tag(number, 2)
        varint(UInt64(values.count * 8))
        for value in values { bytes.appendLittleEndian(value.bitPattern) }
    }

    /// Writes a message, even when it is empty.
    package mutating func message<E>(_ number: Int, _ write: (inout WireWriter) throws(E) -> Void) throws(E) {
        var inner = WireWriter()
        try write(&inner)
        always(number, inner.bytes)
    }

    private mutating func tag(_ number: Int, _ wireType: UInt64) {
        varint(UInt64(number) << 3 | wireType)
    }
}

/// Reads protobuf messages field by field. Malformed input throws `dataLoss`.
///
/// ```swift
/// var reader = WireReader(bytes)
/// while let field = try reader.next() {
///     switch (field.number, field.value) {
///     case (1, .varint(let value)): count = Int(truncatingIfNeeded: value)
///     default: break  // unknown fields are skipped by not being matched
///     }
/// }
/// ```
package struct WireReader {
    package struct Field {
        package let number: Int
        package let value: Value
    }
    package enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
        /// A group, which proto3 no longer writes. Its fields are skipped.
        case group
    }

    private var input: ByteCursor

    package init(_ bytes: ArraySlice<UInt8>) { input = ByteCursor(bytes, "protobuf message") }
    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    package mutating func next() throws(Status) -> Field? {
        if input.isAtEnd { return nil }
        let tag = try input.varint()
        let number = try fieldNumber(tag)
        switch tag & 7 {
        case 0: return Field(number: number, value: .varint(try input.varint()))
        case 1: return Field(number: number, value: .fixed64(try input.littleEndian(UInt64.self)))
        case 2: return Field(number: number, value: .bytes(try input.prefixedBytes()))
        case 3:
            try skipGroup()
            return Field(number: number, value: .group)
        case 5: return Field(number: number, value: .fixed32(try input.littleEndian(UInt32.self)))
        default: throw .dataLoss("protobuf message: wire type \(tag & 7) of field \(number) is none of 0, 1, 2, 3, 5")
        }
    }

    private func fieldNumber(_ tag: UInt64) throws(Status) -> Int {
        guard tag >> 3 != 0, tag <= UInt64(UInt32.max) else {
            throw .dataLoss("protobuf message: \(tag >> 3) is not a field number")
        }
        return Int(tag >> 3)
    }

    private mutating func skipGroup() throws(Status) {
        var depth = 1
        while depth > 0 {
            let tag = try input.varint()
            switch tag & 7 {
            case 0: _ = try input.varint()
            case 1: _ = try input.littleEndian(UInt64.self)
            case 2: _ = try input.prefixedBytes()
            case 3: depth += 1
            case 4: depth -= 1
            case 5: _ = try input.littleEndian(UInt32.self)
            default: throw .dataLoss("protobuf message: wire type \(tag & 7) inside a group")
            }
        }
    }
}

extension WireReader.Value {
    /// Appends the doubles of a repeated field, in packed or unpacked form.
    package func appendDoubles(to values: inout [Double]) throws(Status) {
        switch self {
        case .fixed64(let bits): values.append(Double(bitPattern: bits))
        case .bytes(let packed):
            guard packed.count % 8 == 0 else {
                throw .dataLoss("protobuf message: \(packed.count) bytes of packed doubles, expected a multiple of 8")
            }
            var cursor = ByteCursor(packed, "packed doubles")
            while !cursor.isAtEnd { values.append(Double(bitPattern: try cursor.littleEndian(UInt64.self))) }
        default: break
        }
    }
}
