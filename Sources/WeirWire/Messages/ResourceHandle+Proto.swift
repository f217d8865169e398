package import WeirProto
package import WeirTensor

extension ResourceHandle {
    /// Decodes a handle.
    /// - Throws: `invalidArgument` when it contains a type that Weir does not support, or an impossible shape.
    package init(_ message: TFResourceHandleProto) throws(Status) {
        guard message != TFResourceHandleProto() else {
            self = .zero
            return
        }
        var dtypesAndShapes: [(dtype: DType, shape: PartialShape)] = []
        for entry in message.dtypesAndShapes {
            guard let dtype = DType(withoutReference: entry.dtype) else {
                throw .invalidArgument("Handle of '\(message.name)': a resource of \(entry.dtype.text) cannot be read")
            }
            dtypesAndShapes.append((dtype, try PartialShape(entry.shape)))
        }
        self.init(
            device: message.device, container: message.container, name: message.name, typeName: message.maybeTypeName,
            hashCode: message.hashCode, dtypesAndShapes: dtypesAndShapes)
    }
}

extension TFResourceHandleProto {
    /// Encodes a handle. An object that the handle carries is not encoded.
    package init(_ handle: ResourceHandle) {
        self.init()
        device = handle.device
        container = handle.container
        name = handle.name
        hashCode = handle.hashCode
        maybeTypeName = handle.typeName
        dtypesAndShapes = handle.dtypesAndShapes.map { entry in
            var message = DtypeAndShape()
            message.dtype = TFDataType(entry.dtype)
            message.shape = TFTensorShapeProto(entry.shape)
            return message
        }
    }
}
