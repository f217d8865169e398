import WeirProto
package import WeirTensor

/// An encoded `RecvTensorResponse`: a header, followed by the memory of the tensor itself.
///
/// This message can be as large as the model, so it is encoded without copying the elements. A transport with gathered writes
/// sends the header and then the bytes of `payload`. The bytes are the same as TensorFlow's: flags first, then the tensor, with
/// `tensor_content` as its last field.
package struct EncodedTensor: Sendable {
    /// The bytes before the elements.
    package let header: [UInt8]
    /// The tensor whose elements follow the header; nil when nothing follows.
    package let payload: Tensor?

    /// The size of the message in bytes.
    package var byteCount: Int { header.count + (payload?.byteCount ?? 0) }

    /// The message in one array, for transports without gathered writes. Copies the elements.
    package var contiguous: [UInt8] {
        guard let payload else { return header }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { memory, count in
            let target = UnsafeMutableRawBufferPointer(memory)
            target.copyBytes(from: header)
            UnsafeMutableRawBufferPointer(rebasing: target[header.count...]).copyMemory(from: payload.bytes)
            count = byteCount
        }
    }
}

/// A decoded `RecvTensorResponse`.
package struct ReceivedTensor: Sendable {
    /// The tensor that was received.
    package var tensor: Tensor
    /// Whether the tensor is dead: the output of a node on a branch that was not taken.
    package var isDead: Bool
    /// When the sender started, in microseconds of its wall clock.
    package var sendStartMicros: Int
    /// Whether the sender keeps the response until the receiver acknowledges it with MarkRecvFinished.
    package var requiresAcknowledgement: Bool
}

/// Encodes and decodes `RecvTensorResponse`.
package enum ReceiveTensorCoder {
    /// The tensor that TensorFlow sends when there is no value: for a dead output, and on control edges.
    package static let empty = Tensor([Float](), ofShape: [0])

    /// Encodes a response.
    /// - Parameters:
    ///   - tensor: in host memory; nil sends `empty`.
    ///   - sendStartMicros: when the sender started, in microseconds of its wall clock.
    /// - Throws: `internalError` when the message would be larger than 2 GiB, gRPC's limit; `invalidArgument` when the tensor
    ///   contains a variant that cannot be serialized.
    package static func encode(
        _ tensor: Tensor?, isDead: Bool = false, sendStartMicros: Int = 0, requiresAcknowledgement: Bool = false
    ) throws(Status) -> EncodedTensor {
        let tensor = tensor ?? empty
        let content = tensor.dtype.isBitwise ? [] : try TFTensorProto.objectContent(tensor)
        let contentCount = tensor.dtype.isBitwise ? tensor.byteCount : content.count
        guard contentCount < Int(Int32.max) - 4096 else {
            throw .internalError(
                "Cannot send a \(tensor.dtype) tensor of shape \(tensor.shape): it is larger than 2 GiB")
        }

        var message: [UInt8] = [0x08]
        message.appendVarint(UInt64(tensor.dtype.rawValue))
        // The shape of a scalar is left out. A dimension of 0 is written, although protobuf omits other zeros.
        if tensor.rank > 0 {
            var shape: [UInt8] = []
            for dimension in tensor.shape.dimensions {
                var size: [UInt8] = [0x08]
                size.appendVarint(UInt64(dimension))
                shape.append(0x12)
                shape.appendVarint(UInt64(size.count))
                shape += size
            }
            message.append(0x12)
            message.appendVarint(UInt64(shape.count))
            message += shape
        }
        // Written even when empty: without it, a TensorFlow receiver treats the tensor as uninitialized memory.
        message.append(0x22)
        message.appendVarint(UInt64(contentCount))

        var header: [UInt8] = []
        header.reserveCapacity(message.count + content.count + 32)
        if isDead { header += [0x10, 0x01] }
        if sendStartMicros != 0 {
            header.append(0x18)
            header.appendVarint(UInt64(bitPattern: Int64(sendStartMicros)))
        }
        if requiresAcknowledgement { header += [0x28, 0x01] }
        header.append(0x0A)
        header.appendVarint(UInt64(message.count + contentCount))
        header += message
        header += content
        let hasPayload = tensor.dtype.isBitwise && tensor.byteCount > 0
        return EncodedTensor(header: header, payload: hasPayload ? tensor : nil)
    }

    /// Decodes a response. The elements are copied once, from the message to the memory of `allocator`.
    /// - Throws: `invalidArgument` when the bytes are malformed; `resourceExhausted` when the memory is not available.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, variants: VariantDecoders = .none,
        in allocator: any Allocator = HostAllocator.shared
    ) throws(Status) -> ReceivedTensor {
        var decoder = MessageDecoder(variants: variants, allocator: allocator)
        if let frame = ReceiveTensorFields(bytes) {
            let shape = try Shape(validating: frame.dimensions)
            let tensor = try decoder.tensor(frame.dtype, shape, content: frame.content)
            return ReceivedTensor(
                tensor: tensor, isDead: frame.isDead, sendStartMicros: frame.sendStartMicros,
                requiresAcknowledgement: frame.requiresAcknowledgement)
        }
        let message = try TFRecvTensorResponse(parsing: bytes)
        return ReceivedTensor(
            tensor: try decoder.tensor(message.tensor), isDead: message.isDead,
            sendStartMicros: Int(message.sendStartMicros), requiresAcknowledgement: message.requireAck)
    }

    /// Decodes a response from an array; see above.
    package static func decode(
        _ bytes: [UInt8], variants: VariantDecoders = .none, in allocator: any Allocator = HostAllocator.shared
    ) throws(Status) -> ReceivedTensor {
        let result = bytes.withUnsafeBytes { memory in
            Result { () throws(Status) in try decode(memory, variants: variants, in: allocator) }
        }
        return try result.get()
    }
}
