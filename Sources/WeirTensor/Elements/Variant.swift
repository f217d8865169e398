/// The element of a variant tensor: any Swift value with value semantics, such as a tensor list, an optional or a dataset.
public struct Variant: TensorElement {
    /// The value; nil for an uninitialized element.
    public var value: (any VariantValue)?
    /// Makes an element.
    public init(_ value: (any VariantValue)? = nil) { self.value = value }
    /// `DType.variant`.
    public static var dtype: DType { .variant }
    /// An element without a value.
    public static var zero: Variant { Variant() }
}

/// A type of values in variants. Types that can be sent to another process encode themselves as TensorFlow does.
public protocol VariantValue: Sendable {
    /// TensorFlow's name of the type, such as `tensorflow::TensorList`.
    static var typeName: String { get }
    /// The metadata and tensors of `VariantTensorDataProto`; nil when the value cannot be sent to another process.
    var encoded: (metadata: [UInt8], tensors: [Tensor])? { get }
    /// The nesting depth and tensor count of the value. A type that holds tensors stores it, so that reading it is O(1).
    var extent: VariantSize { get }
    /// The tensors that the value holds, which are in the memory of the device that made them.
    var heldTensors: [Tensor] { get }
    /// The same value with other tensors of the same types and shapes, in the order of `heldTensors`.
    func holding(_ tensors: [Tensor]) -> any VariantValue
}

extension VariantValue {
    /// nil: the value cannot be sent to another process.
    public var encoded: (metadata: [UInt8], tensors: [Tensor])? { nil }
    /// The extent of a value that holds no tensors.
    public var extent: VariantSize { VariantSize() }
    /// Empty: the value holds no tensors.
    public var heldTensors: [Tensor] { [] }
    /// The value itself, which holds no tensors.
    public func holding(_ tensors: [Tensor]) -> any VariantValue { self }
}

/// A received variant whose type this process does not know. It is kept as it was received, and can be sent on.
public struct OpaqueVariant: VariantValue {
    /// Empty: the type's name is in `name`.
    public static var typeName: String { "" }
    /// The type's name as the peer sent it.
    public let name: String
    /// The metadata of `VariantTensorDataProto`.
    public let metadata: [UInt8]
    /// The tensors of `VariantTensorDataProto`.
    public let tensors: [Tensor]
    /// The nesting depth and tensor count.
    public let extent: VariantSize
    /// Makes a variant from the fields of `VariantTensorDataProto`.
    public init(name: String, metadata: [UInt8], tensors: [Tensor]) {
        self.name = name
        self.metadata = metadata
        self.tensors = tensors
        extent = VariantSize(of: tensors)
    }
    /// The fields as they were received.
    public var encoded: (metadata: [UInt8], tensors: [Tensor])? { (metadata, tensors) }
    /// The tensors of the message.
    public var heldTensors: [Tensor] { tensors }
    /// The same message with other tensors.
    public func holding(_ tensors: [Tensor]) -> any VariantValue { OpaqueVariant(name: name, metadata: metadata, tensors: tensors) }
}
