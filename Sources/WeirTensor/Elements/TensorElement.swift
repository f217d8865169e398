/// A Swift type that is the element type of a dtype.
///
/// The set is closed, with one type for each `DType`. Do not conform other types.
public protocol TensorElement: Sendable {
    /// The dtype of tensors with elements of this type.
    static var dtype: DType { get }
    /// The initial value of an element. Used for types whose memory must be initialized (strings, handles, variants).
    static var zero: Self { get }
}

extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension Double: TensorElement { public static var dtype: DType { .float64 } }
extension Float16: TensorElement { public static var dtype: DType { .float16 } }
extension Int8: TensorElement { public static var dtype: DType { .int8 } }
extension Int16: TensorElement { public static var dtype: DType { .int16 } }
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension UInt16: TensorElement { public static var dtype: DType { .uint16 } }
extension UInt32: TensorElement { public static var dtype: DType { .uint32 } }
extension UInt64: TensorElement { public static var dtype: DType { .uint64 } }
extension Bool: TensorElement {
    /// `DType.bool`.
    public static var dtype: DType { .bool }
    /// false.
    public static var zero: Bool { false }
}
