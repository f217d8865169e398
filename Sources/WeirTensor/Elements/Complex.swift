/// A complex number: the element of `complex64` (two `Float`s) and `complex128` (two `Double`s).
public struct Complex<Part: BinaryFloatingPoint & BitwiseCopyable & Sendable>: BitwiseCopyable, Sendable, Hashable {
    /// The real part; the first in memory.
    public var real: Part
    /// The imaginary part.
    public var imaginary: Part
    /// Makes a number from its parts.
    @inlinable public init(_ real: Part, _ imaginary: Part = 0) {
        self.real = real
        self.imaginary = imaginary
    }
    /// The complex conjugate.
    @inlinable public var conjugate: Self { Self(real, -imaginary) }

    /// The sum.
    @inlinable public static func + (a: Self, b: Self) -> Self { Self(a.real + b.real, a.imaginary + b.imaginary) }
    /// The difference.
    @inlinable public static func - (a: Self, b: Self) -> Self { Self(a.real - b.real, a.imaginary - b.imaginary) }
    /// The product.
    @inlinable public static func * (a: Self, b: Self) -> Self {
        Self(a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real)
    }
    /// The quotient, by Smith's method, which does not overflow unless the quotient does.
    @inlinable public static func / (a: Self, b: Self) -> Self {
        if abs(b.real) >= abs(b.imaginary) {
            let ratio = b.imaginary / b.real
            let scale = b.real + b.imaginary * ratio
            return Self((a.real + a.imaginary * ratio) / scale, (a.imaginary - a.real * ratio) / scale)
        }
        let ratio = b.real / b.imaginary
        let scale = b.real * ratio + b.imaginary
        return Self((a.real * ratio + a.imaginary) / scale, (a.imaginary * ratio - a.real) / scale)
    }
    /// The negative.
    @inlinable public static prefix func - (a: Self) -> Self { Self(-a.real, -a.imaginary) }
}

extension Complex: TensorElement where Part: ComplexPart {
    /// `complex64` or `complex128`.
    public static var dtype: DType { Part.complexDType }
    /// Zero.
    @inlinable public static var zero: Self { Self(0, 0) }
}

/// The two types that the parts of a complex element can have.
public protocol ComplexPart: BinaryFloatingPoint, BitwiseCopyable, Sendable {
    /// The dtype of a complex number with parts of this type.
    static var complexDType: DType { get }
}
extension Float: ComplexPart { public static var complexDType: DType { .complex64 } }
extension Double: ComplexPart { public static var complexDType: DType { .complex128 } }

/// The element of `DType.complex64`.
public typealias Complex64 = Complex<Float>
/// The element of `DType.complex128`.
public typealias Complex128 = Complex<Double>
