#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import WeirProto
import WeirTensor

extension MessageDecoder {
    /// Decodes a tensor from the value field of its type. As in TensorFlow: when there are fewer values than elements, the last
    /// value repeats; without values, every element is zero, false or empty; additional values are ignored.
    mutating func tensor(_ dtype: DType, _ shape: Shape, fieldsOf message: TFTensorProto) throws(Status) -> Tensor {
        switch dtype {
        case .float32: return try copied(dtype, shape, message.floatVal)
        case .float64: return try copied(dtype, shape, message.doubleVal)
        case .int32, .qint32: return try copied(dtype, shape, message.intVal)
        case .int64: return try copied(dtype, shape, message.int64Val)
        case .uint32: return try copied(dtype, shape, message.uint32Val)
        case .uint64: return try copied(dtype, shape, message.uint64Val)
        case .bool: return try copied(dtype, shape, message.boolVal)
        case .int8, .uint8, .qint8, .quint8:
            return try copied(dtype, shape, message.intVal.map { UInt8(truncatingIfNeeded: $0) })
        case .int16, .uint16, .qint16, .quint16:
            return try copied(dtype, shape, message.intVal.map { UInt16(truncatingIfNeeded: $0) })
        case .float16, .bfloat16:
            return try copied(dtype, shape, message.halfVal.map { UInt16(truncatingIfNeeded: $0) })
        case .complex64: return try copied(dtype, shape, Self.pairs(message.scomplexVal))
        case .complex128: return try copied(dtype, shape, Self.pairs(message.dcomplexVal))
        case .string: return try copied(dtype, shape, message.stringVal.map { ByteString(Array($0)) })
        case .resource: return try handles(shape, message.resourceHandleVal)
        case .variant: return try variants(shape, message.variantVal)
        }
    }

    /// Pairs real and imaginary parts. A last part without a partner is ignored.
    private static func pairs<Part>(_ parts: [Part]) -> [Complex<Part>] {
        stride(from: 0, to: parts.count - 1, by: 2).map { Complex(parts[$0], parts[$0 + 1]) }
    }

    private mutating func copied<E>(_ dtype: DType, _ shape: Shape, _ values: [E]) throws(Status) -> Tensor {
        let present = min(values.count, shape.elementCount)
        try charge(dtype, shape, beyond: present * dtype.byteCount)
        let tensor = try Tensor(dtype, shape, in: allocator)
        guard present > 0 else {
            if dtype.isBitwise { tensor.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0) }
            return tensor
        }
        let elements = tensor.mutableElements(E.self)
        _ = elements.update(fromContentsOf: values.prefix(present))
        elements[present...].update(repeating: values[present - 1])
        return tensor
    }

    // Unlike numbers, the last handle or variant does not repeat: missing elements are empty.
    private mutating func handles(_ shape: Shape, _ messages: [TFResourceHandleProto]) throws(Status) -> Tensor {
        try charge(.resource, shape, beyond: messages.count)
        let tensor = try Tensor(.resource, shape, in: allocator)
        let elements = tensor.mutableElements(ResourceHandle.self)
        for (index, message) in messages.prefix(elements.count).enumerated() {
            elements[index] = try ResourceHandle(message)
        }
        return tensor
    }

    private mutating func variants(_ shape: Shape, _ messages: [TFVariantTensorDataProto]) throws(Status) -> Tensor {
        try charge(.variant, shape, beyond: messages.count)
        let tensor = try Tensor(.variant, shape, in: allocator)
        let elements = tensor.mutableElements(Variant.self)
        for (index, message) in messages.prefix(elements.count).enumerated() {
            elements[index] = try variant(message)
        }
        return tensor
    }
}
