package import WeirGraph
package import WeirTensor
import WeirWire

/// The head of a `tensor` frame: dtype and shape, so that the payload can be read directly into the tensor's memory.
package struct LinkTensor {
    var isDead: Bool
    var dtype: DType
    var shape: Shape
    /// The encoded tensor when its elements are not plain bytes (strings, variants); otherwise empty.
    var encoded: [UInt8]

    package init(_ delivery: RendezvousItem) throws(Status) {
        isDead = delivery.isDead
        dtype = delivery.tensor.dtype
        shape = delivery.tensor.shape
        encoded = dtype.isBitwise ? [] : try ReceiveTensorCoder.encode(delivery.tensor).contiguous
    }
    package var head: [UInt8] {
        var encoder = LinkHeadEncoder()
        encoder.bool(isDead)
        encoder.byte(dtype.rawValue)
        encoder.byte(UInt8(shape.rank))
        for index in 0..<shape.rank { encoder.integer(shape[index]) }
        encoder.blob(encoded)
        return encoder.bytes
    }
    package init(head bytes: [UInt8]) throws(Status) {
        var decoder = LinkHeadDecoder(bytes)
        isDead = try decoder.bool()
        let number = try decoder.byte()
        guard let dtype = DType(rawValue: number) else { throw .dataLoss("A link's message has a tensor of unknown type \(number)") }
        self.dtype = dtype
        var dimensions: [Int] = []
        for _ in 0..<(try decoder.byte()) { dimensions.append(try decoder.integer()) }
        shape = try Shape(validating: dimensions)
        encoded = try decoder.blob()
    }
}
