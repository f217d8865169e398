import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

extension MessageDecoder {
    mutating func namedTensors(_ messages: [TFNamedTensorProto]) throws(Status) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        tensors.reserveCapacity(messages.count)
        for message in messages {
            do {
                tensors.append(NamedTensor(message.name, try tensor(message.tensor)))
            } catch {
                throw Status(error.code, "Tensor '\(message.name)': \(error.message)")
            }
        }
        return tensors
    }

    mutating func tensors(_ messages: [TFTensorProto]) throws(Status) -> [Tensor] {
        var tensors: [Tensor] = []
        tensors.reserveCapacity(messages.count)
        for message in messages { tensors.append(try tensor(message)) }
        return tensors
    }
}

extension TFNamedTensorProto {
    init(_ named: NamedTensor) throws(Status) {
        self.init()
        name = named.name
        tensor = try TFTensorProto(named.tensor, objects: .content)
    }

    /// The most bytes of tensors in a gRPC message: its limit, less what is reserved for names and numbers.
    private static let maximumByteCount = Int(Int32.max) - (1 << 20)

    /// Encodes tensors.
    /// - Throws: `resourceExhausted` when one message cannot hold them.
    static func messages(_ tensors: [NamedTensor]) throws(Status) -> [TFNamedTensorProto] {
        var byteCount = 0
        for tensor in tensors where tensor.tensor.dtype.isBitwise { byteCount += tensor.tensor.byteCount }
        if byteCount > maximumByteCount, let largest = tensors.max(by: { $0.tensor.byteCount < $1.tensor.byteCount }) {
            throw .resourceExhausted(
                "The tensors fed or fetched together have \(byteCount) bytes; one gRPC message holds at most \(maximumByteCount). "
                    + "The largest is '\(largest.name)', \(largest.tensor.dtype)\(largest.tensor.shape), \(largest.tensor.byteCount) bytes. "
                    + "Feed or fetch less in one step: single tensors, slices of them, or a checkpoint that the task itself reads or writes")
        }
        var messages: [TFNamedTensorProto] = []
        messages.reserveCapacity(tensors.count)
        for tensor in tensors { messages.append(try TFNamedTensorProto(tensor)) }
        return messages
    }
}
