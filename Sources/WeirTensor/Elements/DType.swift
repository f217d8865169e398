/// The type of a tensor's elements. Raw values are TensorFlow's `DataType` numbers.
///
/// TensorFlow's reference types (number + 100) are no element types here: whether a port carries a reference is a property of
/// the port (`PortType.isReference`).
public enum DType: UInt8, Sendable, CaseIterable {
    case float32 = 1, float64, int32, uint8, int16, int8, string, complex64, int64, bool
    case qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, complex128, float16, resource, variant
    case uint32, uint64
}

extension DType {
    /// TensorFlow's name, which `weir` prints and error messages use.
    public var name: String {
        switch self {
        case .float32: "float"
        case .float64: "double"
        case .int32: "int32"
        case .uint8: "uint8"
        case .int16: "int16"
        case .int8: "int8"
        case .string: "string"
        case .complex64: "complex64"
        case .int64: "int64"
        case .bool: "bool"
        case .qint8: "qint8"
        case .quint8: "quint8"
        case .qint32: "qint32"
        case .bfloat16: "bfloat16"
        case .qint16: "qint16"
        case .quint16: "quint16"
        case .uint16: "uint16"
        case .complex128: "complex128"
        case .float16: "half"
        case .resource: "resource"
        case .variant: "variant"
        case .uint32: "uint32"
        case .uint64: "uint64"
        }
    }

    /// Finds a type by TensorFlow's name (`float`, `half`, `int32`, …) or NumPy's (`float32`, …); nil for other names.
    public init?(name: String) {
        switch name {
        case "float32": self = .float32
        case "float64": self = .float64
        case "float16": self = .float16
        default:
            guard let found = DType.allCases.first(where: { $0.name == name }) else { return nil }
            self = found
        }
    }

    /// Bytes of one element in memory. For strings, handles and variants: the size of the Swift value of an element.
    @inlinable public var byteCount: Int {
        switch self {
        case .bool, .int8, .uint8, .qint8, .quint8: 1
        case .int16, .uint16, .float16, .bfloat16, .qint16, .quint16: 2
        case .int32, .uint32, .float32, .qint32: 4
        case .int64, .uint64, .float64, .complex64: 8
        case .complex128: 16
        case .string: MemoryLayout<ByteString>.stride
        case .resource: MemoryLayout<ResourceHandle>.stride
        case .variant: MemoryLayout<Variant>.stride
        }
    }

    /// Whether elements of this type may be read as `type`: its own Swift type or, for bitwise types, any of the same size.
    @inlinable public func holds<E>(_ type: E.Type) -> Bool {
        if E.self == ByteString.self { return self == .string }
        if E.self == ResourceHandle.self { return self == .resource }
        if E.self == Variant.self { return self == .variant }
        return isBitwise && byteCount == MemoryLayout<E>.stride
    }

    /// Whether elements are plain bytes, which can be copied as memory.
    @inlinable public var isBitwise: Bool {
        switch self {
        case .string, .resource, .variant: false
        default: true
        }
    }

    /// Whether this is a real floating-point type.
    public var isFloating: Bool { DTypeSet.floating.contains(self) }
    /// Whether this is a signed or unsigned integer type, quantized types excluded.
    public var isInteger: Bool { DTypeSet.integer.contains(self) }
    /// Whether this is a complex type.
    public var isComplex: Bool { DTypeSet.complex.contains(self) }
}

extension DType: CustomStringConvertible {
    /// TensorFlow's name.
    public var description: String { name }
}
