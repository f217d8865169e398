import WeirKernels
import WeirTensor

// Conversions between all pairs of element types, as in TensorFlow's CPU kernels:
// - Integers wrap.
// - Floating-point values become integers by truncation, through int32 for narrow types and int64 for uint32 and uint64. A
//   value that does not fit there becomes the least int32 or int64.
// - Complex values convert by their real part.

/// A type that can be converted from.
protocol CastSource: TensorElement { func cast<T: CastTarget>(to target: T.Type) -> T }

/// A type that can be converted to.
protocol CastTarget: TensorElement {
    init<I: FixedWidthInteger>(castInteger value: I)
    init(castFloat value: Float)
    init(castDouble value: Double)
    init(castReal real: Float, imaginary: Float)
    init(castReal real: Double, imaginary: Double)
}

extension CastTarget {
    @inline(__always) init(castReal real: Float, imaginary: Float) { self.init(castFloat: real) }
    @inline(__always) init(castReal real: Double, imaginary: Double) { self.init(castDouble: real) }
}

enum Conversion<Source: CastSource, Target: CastTarget>: UnaryFunction {
    @inline(__always) static func apply(_ x: Source) -> Target { x.cast(to: Target.self) }
}

extension CastSource where Self: FixedWidthInteger {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castInteger: self) }
}
extension Int8: CastSource {}
extension Int16: CastSource {}
extension Int32: CastSource {}
extension Int64: CastSource {}
extension UInt8: CastSource {}
extension UInt16: CastSource {}
extension UInt32: CastSource {}
extension UInt64: CastSource {}
extension Bool: CastSource {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castInteger: self ? 1 as UInt8 : 0) }
}
extension Float: CastSource {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castFloat: self) }
}
extension Double: CastSource {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castDouble: self) }
}
extension Float16: CastSource {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castFloat: Float(self)) }
}
extension BFloat16: CastSource {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { T(castFloat: float) }
}
extension Complex: CastSource where Part: CastPart {
    @inline(__always) func cast<T: CastTarget>(to target: T.Type) -> T { Part.cast(real, imaginary, to: T.self) }
}

/// The type of a complex number's parts, with its conversions.
protocol CastPart: ComplexPart {
    static func cast<T: CastTarget>(_ real: Self, _ imaginary: Self, to target: T.Type) -> T
    init(castPart value: Float)
    init(castPart value: Double)
}
extension Float: CastPart {
    @inline(__always) static func cast<T: CastTarget>(_ real: Float, _ imaginary: Float, to target: T.Type) -> T {
        T(castReal: real, imaginary: imaginary)
    }
    @inline(__always) init(castPart value: Float) { self = value }
    @inline(__always) init(castPart value: Double) { self = Float(value) }
}
extension Double: CastPart {
    @inline(__always) static func cast<T: CastTarget>(_ real: Double, _ imaginary: Double, to target: T.Type) -> T {
        T(castReal: real, imaginary: imaginary)
    }
    @inline(__always) init(castPart value: Float) { self = Double(value) }
    @inline(__always) init(castPart value: Double) { self = value }
}

extension CastTarget where Self: FixedWidthInteger {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self.init(truncatingIfNeeded: value) }
    @inline(__always) init(castFloat value: Float) { self.init(castDouble: Double(value)) }
    /// Narrow types take the low bits of an int32.
    @inline(__always) init(castDouble value: Double) { self.init(truncatingIfNeeded: Int32(castDouble: value)) }
}
extension Int8: CastTarget {}
extension Int16: CastTarget {}
extension Int32: CastTarget {
    /// Has no branch, so that loops vectorise: adding 1.5 · 2⁵² leaves the integer in the low bits of the sum.
    @inline(__always) init(castDouble value: Double) {
        let sum = value.rounded(.towardZero) + 6_755_399_441_055_744
        let low = Int32(truncatingIfNeeded: sum.bitPattern)
        self = value > -2_147_483_649 && value < 2_147_483_648 ? low : .min
    }
}
extension Int64: CastTarget {
    @inline(__always) init(castDouble value: Double) {
        self = value >= -0x1p63 && value < 0x1p63 ? Int64(value) : .min
    }
}
extension UInt32: CastTarget {
    @inline(__always) init(castDouble value: Double) { self.init(truncatingIfNeeded: Int64(castDouble: value)) }
}
extension UInt64: CastTarget {
    @inline(__always) init(castDouble value: Double) {
        if value >= 0x1p63, value < 0x1p64 {
            self = UInt64(value)
        } else {
            self.init(truncatingIfNeeded: Int64(castDouble: value))
        }
    }
}
extension Float: CastTarget {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self = Float(value) }
    @inline(__always) init(castFloat value: Float) { self = value }
    @inline(__always) init(castDouble value: Double) { self = Float(value) }
}
extension Double: CastTarget {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self = Double(value) }
    @inline(__always) init(castFloat value: Float) { self = Double(value) }
    @inline(__always) init(castDouble value: Double) { self = value }
}
extension Float16: CastTarget {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self = Float16(Float(value)) }
    @inline(__always) init(castFloat value: Float) { self = Float16(value) }
    @inline(__always) init(castDouble value: Double) { self = Float16(Float(value)) }
}
extension BFloat16: CastTarget {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self = BFloat16(Float(value)) }
    @inline(__always) init(castFloat value: Float) { self = BFloat16(value) }
    @inline(__always) init(castDouble value: Double) { self = BFloat16(Float(value)) }
}
extension Bool: CastTarget {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self = value != 0 }
    @inline(__always) init(castFloat value: Float) { self = value != 0 }
    @inline(__always) init(castDouble value: Double) { self = value != 0 }
}
extension Complex: CastTarget where Part: CastPart {
    @inline(__always) init<I: FixedWidthInteger>(castInteger value: I) { self.init(Part(value), 0) }
    @inline(__always) init(castFloat value: Float) { self.init(Part(castPart: value), 0) }
    @inline(__always) init(castDouble value: Double) { self.init(Part(castPart: value), 0) }
    @inline(__always) init(castReal real: Float, imaginary: Float) {
        self.init(Part(castPart: real), Part(castPart: imaginary))
    }
    @inline(__always) init(castReal real: Double, imaginary: Double) {
        self.init(Part(castPart: real), Part(castPart: imaginary))
    }
}
