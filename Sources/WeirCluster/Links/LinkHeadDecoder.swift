import WeirGraph
import WeirTensor
import WeirWire

/// Decodes heads of frames. They come from peers, so it never reads beyond their end and throws `dataLoss` instead.
struct LinkHeadDecoder {
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
