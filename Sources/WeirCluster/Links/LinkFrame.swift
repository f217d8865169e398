import WeirGraph
package import WeirTensor
import WeirWire

/// One message of a link: a small head with its meaning, and perhaps a tensor's bytes.
///
/// On the wire: kind (1 byte), 3 zero bytes, length of the head (4), call (8), length of the payload (8), all little
/// endian; then the head, then the payload.
package struct LinkFrame {
    package enum Kind: UInt8 {
        /// Who connects: the first frame of each socket.
        case hello = 1
        case runGraph, runGraphReply, receiveTensor, tensor, failure, cancel, cleanUp
    }
    static let headerByteCount = 24
    /// More than any head needs: lists of tensors travel in them, tensors of a layer's size do not.
    static let maximumHeadByteCount = 1 << 30

    package var kind: Kind
    package var call: UInt64
    package var head: [UInt8]
    package var payload: Tensor?

    package init(kind: Kind, call: UInt64, head: [UInt8] = [], payload: Tensor? = nil) {
        self.kind = kind
        self.call = call
        self.head = head
        self.payload = payload
    }

    /// A head that the peer will take.
    /// - Throws: `resourceExhausted` when it is too large.
    static func checked(_ head: [UInt8]) throws(Status) -> [UInt8] {
        guard head.count <= maximumHeadByteCount else {
            throw .resourceExhausted(
                "Feeds or fetches of \(head.count) bytes in one message; links take \(maximumHeadByteCount), servers with --protocol grpc twice as much")
        }
        return head
    }
}

/// Writes heads.
struct LinkWriter {
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

/// Reads heads, which come from outside: never beyond their end.
struct LinkReader {
    private let bytes: [UInt8]
    private var position = 0
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func take(_ count: Int) throws(Status) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else {
            throw .dataLoss("A link's message ends early: \(count) bytes expected, \(bytes.count - position) left")
        }
        defer { position += count }
        return bytes[position..<position + count]
    }
    mutating func byte() throws(Status) -> UInt8 { try take(1).first ?? 0 }
    mutating func bool() throws(Status) -> Bool { try byte() != 0 }
    mutating func fixed32() throws(Status) -> UInt32 { try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }
    mutating func fixed64() throws(Status) -> UInt64 { try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    mutating func integer() throws(Status) -> Int { Int(Int64(bitPattern: try fixed64())) }
    mutating func text() throws(Status) -> String { String(decoding: try take(Int(try fixed32())), as: UTF8.self) }
    mutating func blob() throws(Status) -> [UInt8] { Array(try take(try integer())) }
    mutating func tensors(_ variants: VariantDecoders) throws(Status) -> [NamedTensor] {
        var values: [NamedTensor] = []
        for _ in 0..<(try fixed32()) {
            let name = try text()
            values.append(NamedTensor(name, try ReceiveTensorCoder.decode(try blob(), variants: variants).tensor))
        }
        return values
    }
}
