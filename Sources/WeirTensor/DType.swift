/// The type of a tensor's elements. Raw values are TensorFlow's `DataType` numbers.
///
/// TensorFlow's reference types (number + 100) are not element types here: that a port carries a reference is a
/// property of the port (`PortType.isReference`).
public enum DType: UInt8, Sendable, CaseIterable {
    case float32 = 1, float64, int32, uint8, int16, int8, string, complex64, int64, bool
    case qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, complex128, float16, resource, variant
    case uint32, uint64
}

extension DType {
    /// TensorFlow's name, as `weir` prints it and error messages spell it.
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

    /// The type that TensorFlow calls by this name (`float`, `half`, `int32`, …), or by NumPy's (`float32`, …).
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

    /// Bytes of one element in memory; for strings, handles and variants the size of the Swift value that holds one.
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

    /// Whether elements of this type may be read as values of a Swift type: its own or, for bitwise types, one of the same size.
    @inlinable public func holds<E>(_ type: E.Type) -> Bool {
        if E.self == ByteString.self { return self == .string }
        if E.self == ResourceHandle.self { return self == .resource }
        if E.self == Variant.self { return self == .variant }
        return isBitwise && byteCount == MemoryLayout<E>.stride
    }

    /// Whether elements are plain bytes that can be copied as such.
    @inlinable public var isBitwise: Bool {
        switch self {
        case .string, .resource, .variant: false
        default: true
        }
    }

    public var isFloating: Bool { DTypeSet.floating.contains(self) }
    public var isInteger: Bool { DTypeSet.integer.contains(self) }
    public var isComplex: Bool { DTypeSet.complex.contains(self) }
}

extension DType: CustomStringConvertible {
    public var description: String { name }
}
