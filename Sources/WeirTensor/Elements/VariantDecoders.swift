/// The decoders for variants, by type name. A variant without a decoder becomes an `OpaqueVariant`, which can be stored and
/// sent on.
public struct VariantDecoders: Sendable {
    /// Makes a value from the metadata and tensors of a `VariantTensorDataProto`, which are not trusted. It throws
    /// `invalidArgument` when they are malformed.
    public typealias Decode = @Sendable (_ metadata: [UInt8], _ tensors: [Tensor]) throws(Status) -> any VariantValue

    /// No decoders: all variants become `OpaqueVariant`.
    public static let none = VariantDecoders()

    private var decoders: [String: Decode] = [:]

    /// Makes an empty set of decoders.
    public init() {}

    /// Returns a copy with a decoder added. It replaces a decoder of the same name.
    public func adding(_ typeName: String, _ decode: @escaping Decode) -> VariantDecoders {
        var copy = self
        copy.decoders[typeName] = decode
        return copy
    }

    package func variant(_ typeName: String, _ metadata: [UInt8], _ tensors: [Tensor]) throws(Status) -> Variant {
        guard let decode = decoders[typeName] else {
            return Variant(OpaqueVariant(name: typeName, metadata: metadata, tensors: tensors))
        }
        return Variant(try decode(metadata, tensors))
    }
}
