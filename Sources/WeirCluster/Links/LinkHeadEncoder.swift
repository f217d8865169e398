import WeirTensor
import WeirWire

/// Encodes heads of frames. Numbers are little endian; strings, bytes and lists begin with their length.
struct LinkHeadEncoder {
    var bytes: [UInt8] = []
    mutating func byte(_ value: UInt8) { bytes.append(value) }
    mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func fixed32(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func fixed64(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func integer(_ value: Int) { fixed64(UInt64(bitPattern: Int64(value))) }
    mutating func text(_ value: String) {
        fixed32(UInt32(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }
    mutating func blob(_ value: [UInt8]) {
        integer(value.count)
        bytes.append(contentsOf: value)
    }
    mutating func tensors(_ values: [NamedTensor]) throws(Status) {
        fixed32(UInt32(values.count))
        for value in values {
            text(value.name)
            blob(try ReceiveTensorCoder.encode(value.tensor).contiguous)
        }
    }
}
