import GRPCCore
import WeirTensor
import WeirWire

/// The answer to RecvTensor going out: a header, and the tensor's elements copied from its memory to the transport's.
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

/// The answer to RecvTensor coming in: the elements are copied from the transport's memory to a tensor's.
struct TensorDeserializer: MessageDeserializer {
    var variants: VariantDecoders

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> ReceivedTensor {
        try bytes.withUnsafeBytes { try ReceiveTensorCoder.decode($0, variants: variants) }
    }
}
