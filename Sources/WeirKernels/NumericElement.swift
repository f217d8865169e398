public import WeirTensor

// The arithmetic that kernels need from element types. Kernels are generic over these protocols and specialised for each type.
// Integers wrap as in TensorFlow. The 16-bit floats compute in 32 bits and round once per operation.

/// A type with arithmetic: an integer, floating-point or complex type.
@usableFromInline package protocol NumericElement: TensorElement, BitwiseCopyable, Equatable {
    static func plus(_ a: Self, _ b: Self) -> Self
    static func minus(_ a: Self, _ b: Self) -> Self
    static func times(_ a: Self, _ b: Self) -> Self
    /// Returns the quotient. Integers round toward zero; an integer divisor must not be zero.
    static func dividedBy(_ a: Self, _ b: Self) -> Self
    static var one: Self { get }
    /// The nearest representable value; for complex types the real part.
    init(number: Double)
}

/// A numeric type with an order.
@usableFromInline package protocol RealElement: NumericElement, Comparable {
    /// The value as a double, rounded if necessary.
    var number: Double { get }
    static var lowest: Self { get }
    /// The lowest finite value.
    static var lowestFinite: Self { get }
    static var highest: Self { get }
    /// The highest finite value.
    static var highestFinite: Self { get }
}

/// An integer type.
@usableFromInline package protocol IntegerElement: RealElement, FixedWidthInteger {}

/// A floating-point type and the type that it is computed in.
@usableFromInline package protocol FloatingElement: RealElement {
    associatedtype Compute: MathScalar
    var compute: Compute { get }
    init(compute: Compute)
}

extension FixedWidthInteger {
    @inlinable package static func plus(_ a: Self, _ b: Self) -> Self { a &+ b }
    @inlinable package static func minus(_ a: Self, _ b: Self) -> Self { a &- b }
    @inlinable package static func times(_ a: Self, _ b: Self) -> Self { a &* b }
    @inlinable package static func dividedBy(_ a: Self, _ b: Self) -> Self { a.dividedReportingOverflow(by: b).partialValue }
    @inlinable package static var one: Self { 1 }
    @inlinable package init(number: Double) {
        // The highest value may round up to a power of 2, so every smaller number fits.
        if number.isNaN {
            self = 0
        } else if number >= Double(Self.max) {
            self = .max
        } else {
            self = number <= Double(Self.min) ? .min : Self(number)
        }
    }
    @inlinable package var number: Double { Double(self) }
    @inlinable package static var lowest: Self { .min }
    @inlinable package static var lowestFinite: Self { .min }
    @inlinable package static var highest: Self { .max }
    @inlinable package static var highestFinite: Self { .max }
}
extension Int8: IntegerElement {}
extension Int16: IntegerElement {}
extension Int32: IntegerElement {}
extension Int64: IntegerElement {}
extension UInt8: IntegerElement {}
extension UInt16: IntegerElement {}
extension UInt32: IntegerElement {}
extension UInt64: IntegerElement {}

extension FloatingElement {
    @inlinable package static func plus(_ a: Self, _ b: Self) -> Self { Self(compute: a.compute + b.compute) }
    @inlinable package static func minus(_ a: Self, _ b: Self) -> Self { Self(compute: a.compute - b.compute) }
    @inlinable package static func times(_ a: Self, _ b: Self) -> Self { Self(compute: a.compute * b.compute) }
    @inlinable package static func dividedBy(_ a: Self, _ b: Self) -> Self { Self(compute: a.compute / b.compute) }
    @inlinable package static var one: Self { Self(compute: 1) }
    @inlinable package static var lowest: Self { Self(compute: -.infinity) }
    @inlinable package static var highest: Self { Self(compute: .infinity) }
    @inlinable package init(number: Double) { self.init(compute: Compute(number)) }
    @inlinable package var number: Double { Double(compute) }
}
extension Float: FloatingElement {
    @inlinable package var compute: Float { self }
    @inlinable package init(compute: Float) { self = compute }
    @inlinable package static var lowestFinite: Float { -.greatestFiniteMagnitude }
    @inlinable package static var highestFinite: Float { .greatestFiniteMagnitude }
}
extension Double: FloatingElement {
    @inlinable package var compute: Double { self }
    @inlinable package init(compute: Double) { self = compute }
    @inlinable package static var lowestFinite: Double { -.greatestFiniteMagnitude }
    @inlinable package static var highestFinite: Double { .greatestFiniteMagnitude }
}
extension Float16: FloatingElement {
    @inlinable package static var lowestFinite: Float16 { -.greatestFiniteMagnitude }
    @inlinable package static var highestFinite: Float16 { .greatestFiniteMagnitude }
    @inlinable package var compute: Float { Float(self) }
    @inlinable package init(compute: Float) { self = Float16(compute) }
}
extension BFloat16: FloatingElement {
    @inlinable package static var lowestFinite: BFloat16 { BFloat16(bits: 0xff7f) }
    @inlinable package static var highestFinite: BFloat16 { BFloat16(bits: 0x7f7f) }
    @inlinable package var compute: Float { float }
    @inlinable package init(compute: Float) { self.init(compute) }
    /// Returns whether `a` is less than `b`. Comparisons with NaN are false.
    @inlinable public static func < (a: BFloat16, b: BFloat16) -> Bool { a.float < b.float }
    /// Returns whether the numbers are equal. Zeros of both signs are equal; NaN equals nothing.
    @inlinable public static func == (a: BFloat16, b: BFloat16) -> Bool { a.float == b.float }
}

extension Complex: NumericElement where Part: ComplexPart {
    @inlinable package static func plus(_ a: Self, _ b: Self) -> Self { a + b }
    @inlinable package static func minus(_ a: Self, _ b: Self) -> Self { a - b }
    @inlinable package static func times(_ a: Self, _ b: Self) -> Self { a * b }
    @inlinable package static func dividedBy(_ a: Self, _ b: Self) -> Self { a / b }
    @inlinable package static var one: Self { Self(1, 0) }
    @inlinable package init(number: Double) { self.init(Part(number), 0) }
}
