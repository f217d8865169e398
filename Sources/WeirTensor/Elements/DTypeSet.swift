/// A set of element types, stored as one bit for each type.
public struct DTypeSet: OptionSet, Sendable, Hashable {
    /// The bits; bit `n` stands for the type with TensorFlow's number `n`.
    public let rawValue: UInt32
    /// Makes a set from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Makes a set of the given types.
    public init(_ types: DType...) {
        rawValue = types.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
    }
    /// Makes a set of the given types.
    public init(_ types: [DType]) {
        rawValue = types.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
    }

    /// Whether the set contains a type.
    @inlinable public func contains(_ type: DType) -> Bool { rawValue & (1 << UInt32(type.rawValue)) != 0 }
    /// The members, in the order of TensorFlow's numbers.
    public var types: [DType] { DType.allCases.filter { contains($0) } }
}

extension DTypeSet {
    /// Real floating-point types.
    public static let floating = DTypeSet(.float32, .float64, .float16, .bfloat16)
    /// Complex types.
    public static let complex = DTypeSet(.complex64, .complex128)
    /// Signed integer types.
    public static let signedInteger = DTypeSet(.int8, .int16, .int32, .int64)
    /// Unsigned integer types.
    public static let unsignedInteger = DTypeSet(.uint8, .uint16, .uint32, .uint64)
    /// All integer types.
    public static let integer: DTypeSet = [signedInteger, unsignedInteger]
    /// The types of indices, axes and shapes: `int32` and `int64`.
    public static let index = DTypeSet(.int32, .int64)
    /// Types with an order and arithmetic: floating-point and integer.
    public static let real: DTypeSet = [floating, integer]
    /// Types with arithmetic: real and complex.
    public static let numeric: DTypeSet = [real, complex]
    /// TensorFlow's quantized integer types.
    public static let quantized = DTypeSet(.qint8, .quint8, .qint16, .quint16, .qint32)
    /// Types whose elements are plain bytes.
    public static let bitwise: DTypeSet = [numeric, quantized, DTypeSet(.bool)]
    /// Every element type.
    public static let all = DTypeSet(DType.allCases)
    /// The types of most of TensorFlow's GPU kernels for arithmetic. `int32` is not among them: its GPU kernels keep their
    /// arguments in host memory.
    public static let gpuNumeric = DTypeSet(.float32, .float64, .float16, .bfloat16, .int64, .complex64, .complex128)
}
