import WeirKernels
package import WeirTensor

extension VariantDecoders {
    /// The decoders of the variants of Weir's ops. They turn the bytes from another task into the same values that local
    /// ops make.
    package static let standard = VariantDecoders()
        .adding(TensorList.typeName) { metadata, tensors throws(Status) in
            try TensorList(OpaqueVariant(name: TensorList.typeName, metadata: metadata, tensors: tensors))
        }
        .adding(OptionalValue.typeName) { metadata, tensors throws(Status) in
            try OptionalValue(Variant(OpaqueVariant(name: OptionalValue.typeName, metadata: metadata, tensors: tensors)))
        }
}
