import WeirKernels
package import WeirTensor

extension VariantDecoders {
    /// The variants that Weir's ops make: what comes from another task is then what the ops there made, for every op.
    package static let standard = VariantDecoders()
        .adding(TensorList.typeName) { metadata, tensors throws(Status) in
            try TensorList(OpaqueVariant(name: TensorList.typeName, metadata: metadata, tensors: tensors))
        }
        .adding(OptionalValue.typeName) { metadata, tensors throws(Status) in
            try OptionalValue(Variant(OpaqueVariant(name: OptionalValue.typeName, metadata: metadata, tensors: tensors)))
        }
}
