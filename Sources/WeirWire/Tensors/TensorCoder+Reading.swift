#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
package import WeirProto
package import WeirTensor

extension MessageDecoder {
    /// Decodes a tensor in either form: bytes in `tensor_content`, or values in the field of its type.
    /// - Throws: `invalidArgument` when the message is malformed; `resourceExhausted` when the memory is not available.
    package mutating func tensor(_ message: TFTensorProto) throws(Status) -> Tensor {
        guard let dtype = DType(message.dtype) else {
            throw .invalidArgument("A tensor of \(message.dtype.text) cannot be read")
        }
        let shape = try Shape(message.tensorShape)
        if message.tensorContent.isEmpty { return try tensor(dtype, shape, fieldsOf: message) }
        var tensor: Tensor?
        try message.tensorContent.withBytes { (bytes) throws(Status) in
            tensor = try self.tensor(dtype, shape, content: bytes)
        }
        guard let tensor else { throw .internalError("tensor_content was not read") }
        return tensor
    }

    /// Decodes a tensor from the bytes of `tensor_content`.
    mutating func tensor(_ dtype: DType, _ shape: Shape, content: UnsafeRawBufferPointer) throws(Status) -> Tensor {
        // The content of a tensor without elements is ignored, as in TensorFlow.
        if shape.elementCount == 0 { return try Tensor(dtype, shape, in: allocator) }
        guard dtype.isBitwise else { return try objects(dtype, shape, content: content) }
        let (byteCount, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, byteCount == content.count else {
            throw .invalidArgument(
                "tensor_content of a \(dtype) tensor of shape \(shape) must be "
                    + (overflow ? "more" : "\(byteCount)") + " bytes, found \(content.count)")
        }
        if dtype == .bool, content.reduce(0, |) > 1 {
            throw .invalidArgument("tensor_content of a bool tensor has bytes other than 0 and 1")
        }
        let tensor = try Tensor(dtype, shape, in: allocator)
        if byteCount > 0 { tensor.mutableBytes.copyMemory(from: content) }
        return tensor
    }

    /// Decodes strings, handles and variants from `tensor_content`: the byte counts of all elements, then their bytes. A handle
    /// or variant is a serialized message.
    private mutating func objects(
        _ dtype: DType, _ shape: Shape, content: UnsafeRawBufferPointer
    ) throws(Status) -> Tensor {
        let count = shape.elementCount
        let malformed = Status.invalidArgument(
            "tensor_content of \(content.count) bytes is not \(count) byte counts and as many bytes as they say")
        guard count <= content.count else { throw malformed }
        var lengths = RawCursor(content)
        var total = 0
        for _ in 0..<count {
            guard let length = lengths.varint(), length <= content.count else { throw malformed }
            total += Int(length)
            guard total <= content.count else { throw malformed }
        }
        guard total == lengths.remaining else { throw malformed }
        try charge(dtype, shape, beyond: content.count)
        var elements = lengths
        lengths = RawCursor(content)

        func next() throws(Status) -> UnsafeRawBufferPointer {
            guard let length = lengths.varint(), let element = elements.slice(Int(length)) else { throw malformed }
            return element
        }
        let tensor = try Tensor(dtype, shape, in: allocator)
        switch dtype {
        case .resource:
            let handles = tensor.mutableElements(ResourceHandle.self)
            for index in 0..<count { handles[index] = try ResourceHandle(try TFResourceHandleProto(parsing: next())) }
        case .variant:
            let variants = tensor.mutableElements(Variant.self)
            for index in 0..<count { variants[index] = try variant(try TFVariantTensorDataProto(parsing: next())) }
        default:
            let strings = tensor.mutableElements(ByteString.self)
            for index in 0..<count { strings[index] = ByteString(Array(try next())) }
        }
        return tensor
    }

    package mutating func variant(_ message: TFVariantTensorDataProto) throws(Status) -> Variant {
        if message.typeName.isEmpty {
            guard message.metadata.isEmpty, message.tensors.isEmpty else {
                throw .invalidArgument("A variant without a type name must be empty")
            }
            return .zero
        }
        return try nested { (decoder) throws(Status) in
            var tensors: [Tensor] = []
            for tensor in message.tensors { tensors.append(try decoder.tensor(tensor)) }
            return try decoder.variants.variant(message.typeName, Array(message.metadata), tensors)
        }
    }
}
