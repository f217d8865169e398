/// Which variants of other processes this one can read: for each type name, how to make the value of it.
///
/// A value, handed to whatever reads messages. A variant of a name that is not in it becomes an `OpaqueVariant`, which
/// can be stored and sent on.
public struct VariantDecoders: Sendable {
    /// Makes a value from the metadata and tensors of a `VariantTensorDataProto`, which come from outside: it throws
    /// `invalidArgument` for what it cannot make sense of.
    public typealias Decode = @Sendable (_ metadata: [UInt8], _ tensors: [Tensor]) throws(Status) -> any VariantValue

    public static let none = VariantDecoders()

    private var decoders: [String: Decode] = [:]

    public init() {}

    /// These and one more; it replaces one of the same name.
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
