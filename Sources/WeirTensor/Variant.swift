/// The element of a variant tensor: any Swift value with value semantics (a tensor list, an optional, a dataset).
public struct Variant: TensorElement {
    public var value: (any VariantValue)?
    public init(_ value: (any VariantValue)? = nil) { self.value = value }
    public static var dtype: DType { .variant }
    public static var zero: Variant { Variant() }
}

/// What a variant can hold. Types that can cross a process say how, by TensorFlow's type name and metadata.
public protocol VariantValue: Sendable {
    /// TensorFlow's name of the type, such as `tensorflow::TensorList`.
    static var typeName: String { get }
    /// The metadata bytes and tensors of `VariantTensorDataProto`, or nil when the value cannot leave the process.
    var encoded: (metadata: [UInt8], tensors: [Tensor])? { get }
    /// How much lies in it; a type that holds tensors keeps this, so that asking costs nothing.
    var extent: VariantExtent { get }
}

extension VariantValue {
    public var encoded: (metadata: [UInt8], tensors: [Tensor])? { nil }
    public var extent: VariantExtent { VariantExtent() }
}

/// A variant received from a peer whose type this process does not know: kept as it came.
public struct OpaqueVariant: VariantValue {
    public static var typeName: String { "" }
    public let name: String
    public let metadata: [UInt8]
    public let tensors: [Tensor]
    public let extent: VariantExtent
    public init(name: String, metadata: [UInt8], tensors: [Tensor]) {
        self.name = name
        self.metadata = metadata
        self.tensors = tensors
        extent = VariantExtent(of: tensors)
    }
    public var encoded: (metadata: [UInt8], tensors: [Tensor])? { (metadata, tensors) }
}
