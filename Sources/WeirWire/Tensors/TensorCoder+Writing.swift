#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import SwiftProtobuf
package import WeirProto
package import WeirTensor

extension TFTensorProto {
    /// Where strings, handles and variants are written. Readers accept both.
    package enum ObjectEncoding {
        /// In the field of their type, which is legible in text format.
        case fields
        /// In `tensor_content`, as TensorFlow's runtime does for tensors that it sends.
        case content
    }

    /// Encodes a tensor in host memory. Elements of bitwise types are written to `tensor_content`.
    /// - Throws: `invalidArgument` when the tensor contains a variant that cannot be serialized.
    package init(_ tensor: Tensor, objects: ObjectEncoding = .fields) throws(Status) {
        self.init()
        dtype = TFDataType(tensor.dtype)
        tensorShape = TFTensorShapeProto(tensor.shape)
        if tensor.dtype.isBitwise {
            tensorContent = Data(tensor.bytes)
            return
        }
        switch (objects, tensor.dtype) {
        case (.content, _): tensorContent = Data(try Self.objectContent(tensor))
        case (.fields, .resource):
            resourceHandleVal = tensor.elements(ResourceHandle.self).map { TFResourceHandleProto($0) }
        case (.fields, .variant):
            for element in tensor.elements(Variant.self) { variantVal.append(try TFVariantTensorDataProto(element)) }
        default:
            stringVal = tensor.elements(ByteString.self).map { Data($0.bytes) }
        }
    }

    /// The `tensor_content` of a tensor of strings, handles or variants.
    static func objectContent(_ tensor: Tensor) throws(Status) -> [UInt8] {
        var parts: [[UInt8]] = []
        parts.reserveCapacity(tensor.elementCount)
        switch tensor.dtype {
        case .resource:
            for element in tensor.elements(ResourceHandle.self) {
                parts.append(try TFResourceHandleProto(element).bytes())
            }
        case .variant:
            for element in tensor.elements(Variant.self) {
                parts.append(try TFVariantTensorDataProto(element, objects: .content).bytes())
            }
        default:
            for element in tensor.elements(ByteString.self) { parts.append(element.bytes) }
        }
        var content: [UInt8] = []
        content.reserveCapacity(parts.reduce(0) { $0 + $1.count + 2 })
        for part in parts { content.appendVarint(UInt64(part.count)) }
        for part in parts { content += part }
        return content
    }
}

extension TFVariantTensorDataProto {
    package init(_ variant: Variant, objects: TFTensorProto.ObjectEncoding = .fields) throws(Status) {
        self.init()
        guard let value = variant.value else { return }
        typeName = (value as? OpaqueVariant)?.name ?? type(of: value).typeName
        guard let (metadata, tensors) = value.encoded else {
            throw .invalidArgument("A variant of type \(typeName) cannot leave its process")
        }
        self.metadata = Data(metadata)
        for tensor in tensors { self.tensors.append(try TFTensorProto(tensor, objects: objects)) }
    }
}
