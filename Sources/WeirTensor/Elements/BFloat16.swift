/// The brain floating-point format: the upper half of a `Float`, with 8 bits of exponent and 7 of fraction.
public struct BFloat16: TensorElement, BitwiseCopyable, Hashable {
    /// The bit pattern: sign, exponent, fraction.
    public var bits: UInt16

    /// Makes a value from its bit pattern.
    @inlinable public init(bits: UInt16) { self.bits = bits }
    /// Rounds to nearest, ties to even. A NaN becomes a quiet NaN.
    @inlinable public init(_ value: Float) {
        // A select instead of a branch, so that loops of conversions vectorise.
        let pattern = value.bitPattern
        let rounded = (pattern &+ 0x7FFF &+ ((pattern >> 16) & 1)) >> 16
        let quiet = (pattern >> 16) & 0x8000 | 0x7FC0
        bits = UInt16(truncatingIfNeeded: pattern & 0x7FFF_FFFF > 0x7F80_0000 ? quiet : rounded)
    }
    /// Drops the lower half, as TensorFlow's `Cast` does when `Truncate` is set.
    @inlinable public init(truncating value: Float) {
        bits = value.isNaN ? (value.sign == .minus ? 0xFFC0 : 0x7FC0) : UInt16(value.bitPattern >> 16)
    }
    /// The value as a `Float`; exact.
    @inlinable public var float: Float { Float(bitPattern: UInt32(bits) << 16) }

    /// `DType.bfloat16`.
    public static var dtype: DType { .bfloat16 }
    /// Positive zero.
    @inlinable public static var zero: BFloat16 { BFloat16(bits: 0) }
}
