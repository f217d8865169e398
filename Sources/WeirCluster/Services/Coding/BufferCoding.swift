import GRPCCore
import WeirTensor
import WeirWire

/// A reply of RecvBuf: the encoded tensor, and the callback of its sender.
struct EncodedBuffer: Sendable {
    var message: EncodedTensor
    var sent: (@Sendable (WeirTensor.Status?) -> Void)?
}

/// Encodes replies of RecvBuf. The elements are copied once, to the transport's buffer; then the sender may change them.
struct BufferSerializer: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ buffer: EncodedBuffer) throws -> Bytes {
        let bytes: Bytes = try TensorSerializer().serialize(buffer.message)
        buffer.sent?(nil)
        return bytes
    }
}

/// Decodes replies of RecvBuf. The elements are copied once, from the transport's buffer to the tensor.
struct BufferDeserializer: MessageDeserializer {
    /// Where the receiver wants the elements; nil for a new tensor.
    var target: Tensor?

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> ReceivedTensor {
        try bytes.withUnsafeBytes { try ReceiveBufferCoder.decode($0, into: target) }
    }
}
