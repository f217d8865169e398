import GRPCCore
import SwiftProtobuf

/// The transport's buffer as SwiftProtobuf's buffer type. Messages are decoded from it and encoded into it without a copy.
private struct MessageBytes<Bytes: GRPCContiguousBytes>: SwiftProtobufContiguousBytes {
    var bytes: Bytes

    init(_ bytes: Bytes) { self.bytes = bytes }
    init(repeating byte: UInt8, count: Int) { bytes = Bytes(repeating: byte, count: count) }
    init<S: Sequence<UInt8>>(_ sequence: S) { bytes = Bytes(sequence) }
    var count: Int { bytes.count }
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes(body)
    }
    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeMutableBytes(body)
    }
}

struct ProtobufSerializer<Message: SwiftProtobuf.Message>: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        do {
            return try (message.serializedBytes() as MessageBytes<Bytes>).bytes
        } catch {
            throw RPCError(code: .internalError, message: "Cannot serialize \(Message.protoMessageName): \(error)")
        }
    }
}

struct ProtobufDeserializer<Message: SwiftProtobuf.Message>: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        do {
            return try Message(serializedBytes: MessageBytes(bytes))
        } catch {
            throw RPCError(code: .internalError, message: "could not parse \(Message.protoMessageName): \(error)")
        }
    }
}
