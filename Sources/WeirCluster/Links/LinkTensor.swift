package import WeirGraph
package import WeirTensor
import WeirWire

/// What is said of a tensor before its bytes, so that they can be read into the memory where they will stay.
package struct LinkTensor {
    var isDead: Bool
    var dtype: DType
    var shape: Shape
    /// Not empty for types that are no plain bytes: the tensor itself.
    var encoded: [UInt8]

    package init(_ delivery: RendezvousItem) throws(Status) {
        isDead = delivery.isDead
        dtype = delivery.tensor.dtype
        shape = delivery.tensor.shape
        encoded = dtype.isBitwise ? [] : try ReceiveTensorCoder.encode(delivery.tensor).contiguous
    }
    package var head: [UInt8] {
        var writer = LinkWriter()
        writer.bool(isDead)
        writer.byte(dtype.rawValue)
        writer.byte(UInt8(shape.rank))
        for index in 0..<shape.rank { writer.integer(shape[index]) }
        writer.blob(encoded)
        return writer.bytes
    }
    package init(head bytes: [UInt8]) throws(Status) {
        var reader = LinkReader(bytes)
        isDead = try reader.bool()
        let number = try reader.byte()
        guard let dtype = DType(rawValue: number) else { throw .dataLoss("A link's message has a tensor of unknown type \(number)") }
        self.dtype = dtype
        var dimensions: [Int] = []
        for _ in 0..<(try reader.byte()) { dimensions.append(try reader.integer()) }
        shape = try Shape(validating: dimensions)
        encoded = try reader.blob()
    }
}
