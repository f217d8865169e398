package import WeirTensor

/// Encodes and decodes `RecvBufResponse`, the reply with the elements of a tensor of a collective operation. They are in a
/// `RecvBufRespExtra` in `transport_options`. The message has no dtype and no shape: the receiver knows both.
package enum ReceiveBufferCoder {
    private static let typeURL = "type.googleapis.com/tensorflow.RecvBufRespExtra"

    /// Encodes a response without copying the elements.
    /// - Parameters:
    ///   - tensor: in host memory, of a bitwise type.
    ///   - sendStartMicros: when the sender started, in microseconds of its wall clock.
    /// - Throws: `internalError` when the message would be larger than 2 GiB, gRPC's limit; `invalidArgument` for a type whose
    ///   elements are not plain bytes.
    package static func encode(_ tensor: Tensor, sendStartMicros: Int) throws(Status) -> EncodedTensor {
        guard tensor.dtype.isBitwise else {
            throw .invalidArgument("Collective operations send tensors of numbers, found a tensor of \(tensor.dtype)")
        }
        let count = tensor.byteCount
        guard count < Int(Int32.max) - 4096 else {
            throw .internalError("Cannot send a \(tensor.dtype) tensor of shape \(tensor.shape): it is larger than 2 GiB")
        }
        var extra: [UInt8] = [0x0A]
        extra.appendVarint(UInt64(count))
        var options: [UInt8] = [0x0A]
        options.appendVarint(UInt64(typeURL.utf8.count))
        options += typeURL.utf8
        options.append(0x12)
        options.appendVarint(UInt64(extra.count + count))
        options += extra
        var header: [UInt8] = [0x10]
        header.appendVarint(UInt64(count))
        header.append(0x28)
        header.appendVarint(UInt64(bitPattern: Int64(sendStartMicros)))
        header.append(0x22)
        header.appendVarint(UInt64(options.count + count))
        return EncodedTensor(header: header + options, payload: count > 0 ? tensor : nil)
    }

    /// Decodes a response. The elements are copied once.
    /// - Parameter target: where they are wanted; nil, or a tensor of another size, for a new flat tensor of `uint8`.
    /// - Throws: `internalError` when the bytes are malformed, or are not as many as the message says; `resourceExhausted` when
    ///   the memory is not available.
    package static func decode(_ bytes: UnsafeRawBufferPointer, into target: Tensor? = nil) throws(Status) -> ReceivedTensor {
        let fields = try Fields(bytes)
        let tensor: Tensor
        if let target, target.byteCount == fields.byteCount {
            tensor = target
        } else {
            tensor = try Tensor(.uint8, try Shape(validating: [fields.byteCount]))
        }
        var rest = tensor.mutableBytes
        for piece in fields.pieces where !piece.isEmpty {
            rest.copyMemory(from: piece)
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[piece.count...])
        }
        withExtendedLifetime(tensor) {}
        return ReceivedTensor(
            tensor: tensor, isDead: fields.isDead, sendStartMicros: fields.sendStartMicros,
            requiresAcknowledgement: fields.requiresAcknowledgement)
    }

    /// The parts of a response, in the memory of the message.
    private struct Fields {
        var byteCount = 0
        var isDead = false
        var sendStartMicros = 0
        var requiresAcknowledgement = false
        /// The pieces of the elements. TensorFlow sends pieces of 4 KB.
        var pieces: [UnsafeRawBufferPointer] = []

        init(_ bytes: UnsafeRawBufferPointer) throws(Status) {
            var cursor = RawCursor(bytes)
            while !cursor.isAtEnd {
                switch cursor.varint() {
                case 0x10?: byteCount = Int(clamping: try Fields.varint(&cursor))
                case 0x18?: isDead = try Fields.varint(&cursor) != 0
                case 0x22?: try readOptions(try Fields.slice(&cursor))
                case 0x28?: sendStartMicros = Int(truncatingIfNeeded: try Fields.varint(&cursor))
                case 0x30?: requiresAcknowledgement = try Fields.varint(&cursor) != 0
                case let tag: try Fields.skip(tag, &cursor)
                }
            }
            let found = pieces.reduce(0) { $0 + $1.count }
            guard found == byteCount else {
                throw .internalError("RecvBuf: Tensor Size Mismatch: \(byteCount) bytes expected, \(found) found")
            }
        }

        private mutating func readOptions(_ bytes: UnsafeRawBufferPointer) throws(Status) {
            var cursor = RawCursor(bytes)
            while !cursor.isAtEnd {
                let tag = cursor.varint()
                if tag == 0x12 { try readExtra(try Fields.slice(&cursor)) } else { try Fields.skip(tag, &cursor) }
            }
        }

        private mutating func readExtra(_ bytes: UnsafeRawBufferPointer) throws(Status) {
            var cursor = RawCursor(bytes)
            while !cursor.isAtEnd {
                let tag = cursor.varint()
                if tag == 0x0A { pieces.append(try Fields.slice(&cursor)) } else { try Fields.skip(tag, &cursor) }
            }
        }

        private static func varint(_ cursor: inout RawCursor) throws(Status) -> UInt64 {
            guard let value = cursor.varint() else { throw malformed }
            return value
        }
        private static func slice(_ cursor: inout RawCursor) throws(Status) -> UnsafeRawBufferPointer {
            guard let slice = cursor.prefixedSlice() else { throw malformed }
            return slice
        }
        /// Skips the value of a field that is not used.
        private static func skip(_ tag: UInt64?, _ cursor: inout RawCursor) throws(Status) {
            let isRead: Bool =
                switch tag.map({ $0 & 7 }) {
                case 0?: cursor.varint() != nil
                case 1?: cursor.slice(8) != nil
                case 2?: cursor.prefixedSlice() != nil
                case 5?: cursor.slice(4) != nil
                default: false
                }
            if !isRead { throw malformed }
        }
        private static var malformed: Status { .internalError("RecvBuf: the reply is not a RecvBufResponse") }
    }
}
