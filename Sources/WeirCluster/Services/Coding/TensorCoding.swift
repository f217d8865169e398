import GRPCCore
import WeirTensor
import WeirWire

/// Encodes replies of RecvTensor: a header, and the elements, copied once from the tensor to the transport's buffer.
struct TensorSerializer: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ tensor: EncodedTensor) throws -> Bytes {
        guard let payload = tensor.payload else { return Bytes(tensor.header) }
        var bytes = Bytes(repeating: 0, count: tensor.byteCount)
        bytes.withUnsafeMutableBytes { memory in
            memory.copyBytes(from: tensor.header)
            UnsafeMutableRawBufferPointer(rebasing: memory[tensor.header.count...]).copyMemory(from: payload.bytes)
        }
        return bytes
    }
}

/// Decodes replies of RecvTensor. The elements are copied once from the transport's buffer to the tensor.
struct TensorDeserializer: MessageDeserializer {
    var variants: VariantDecoders

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> ReceivedTensor {
        try bytes.withUnsafeBytes { try ReceiveTensorCoder.decode($0, variants: variants) }
    }
}
