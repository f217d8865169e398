public import WeirTensor

// Selects the loop for a generic function and a dtype; nil where the function is not defined for the dtype.

extension UnaryLoop {
    /// Returns the loop of a floating-point function that has a vector form for float32.
    @inlinable package static func floating<F: FloatingFunction & VectorUnary>(
        vector function: F.Type, _ dtype: DType, grain: Int = Grain.cheap
    ) -> UnaryLoop? {
        switch dtype {
        case .float32: UnaryLoop(vector: F.self, grain: grain)
        case .float64: UnaryLoop(FloatingAdapter<F, Double>.self, grain: grain)
        case .float16, .bfloat16: UnaryLoop(vector: F.self, grain: grain).widened(dtype)
        default: nil
        }
    }
    /// Returns the loop of a floating-point function without a vector form.
    @inlinable package static func floating<F: FloatingFunction>(_ function: F.Type, _ dtype: DType, grain: Int = Grain.expensive) -> UnaryLoop? {
        switch dtype {
        case .float32: UnaryLoop(FloatingAdapter<F, Float>.self, grain: grain)
        case .float64: UnaryLoop(FloatingAdapter<F, Double>.self, grain: grain)
        case .float16, .bfloat16: UnaryLoop(FloatingAdapter<F, Float>.self, grain: grain).widened(dtype)
        default: nil
        }
    }
    /// Returns the loop of an integer function.
    @inlinable package static func integer<F: IntegerFunction>(_ function: F.Type, _ dtype: DType) -> UnaryLoop? {
        switch dtype {
        case .int8: UnaryLoop(IntegerAdapter<F, Int8>.self)
        case .int16: UnaryLoop(IntegerAdapter<F, Int16>.self)
        case .int32: UnaryLoop(IntegerAdapter<F, Int32>.self)
        case .int64: UnaryLoop(IntegerAdapter<F, Int64>.self)
        case .uint8: UnaryLoop(IntegerAdapter<F, UInt8>.self)
        case .uint16: UnaryLoop(IntegerAdapter<F, UInt16>.self)
        case .uint32: UnaryLoop(IntegerAdapter<F, UInt32>.self)
        case .uint64: UnaryLoop(IntegerAdapter<F, UInt64>.self)
        default: nil
        }
    }
    /// Returns the loop of a complex function.
    @inlinable package static func complex<F: ComplexFunction>(_ function: F.Type, _ dtype: DType) -> UnaryLoop? {
        switch dtype {
        case .complex64: UnaryLoop(ComplexAdapter<F, Float>.self, grain: Grain.expensive)
        case .complex128: UnaryLoop(ComplexAdapter<F, Double>.self, grain: Grain.expensive)
        default: nil
        }
    }
    /// Returns the loop of a floating-point predicate; its output is bool.
    @inlinable package static func predicate<F: FloatingPredicate>(_ function: F.Type, _ dtype: DType) -> UnaryLoop? {
        switch dtype {
        case .float32: UnaryLoop(OfPredicate<F, Float>.self)
        case .float64: UnaryLoop(OfPredicate<F, Double>.self)
        case .float16, .bfloat16: UnaryLoop(OfPredicate<F, Float>.self).widened(dtype)
        default: nil
        }
    }
}

extension BinaryLoop {
    /// Returns the loop of a sum, difference or product. Integers wrap, so signed and unsigned types share one loop.
    @inlinable package static func modular<F: NumericBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .int8, .uint8: BinaryLoop(OfNumericBinary<F, Int8>.self)
        case .int16, .uint16: BinaryLoop(OfNumericBinary<F, Int16>.self)
        case .int32, .uint32: BinaryLoop(OfNumericBinary<F, Int32>.self)
        case .int64, .uint64: BinaryLoop(OfNumericBinary<F, Int64>.self)
        default: floatingOrComplex(F.self, dtype)
        }
    }
    /// Returns the loop of a function of floating-point and complex types.
    @inlinable package static func floatingOrComplex<F: NumericBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(vector: F.self)
        case .float64: BinaryLoop(OfNumericBinary<F, Double>.self)
        case .float16, .bfloat16: BinaryLoop(vector: F.self).widened(dtype)
        case .complex64: BinaryLoop(OfNumericBinary<F, Complex64>.self)
        case .complex128: BinaryLoop(OfNumericBinary<F, Complex128>.self)
        default: nil
        }
    }
    /// Returns the loop of a function of the ordered types: integers and floating point.
    @inlinable package static func real<F: RealBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(vector: F.self)
        case .float64: BinaryLoop(OfRealBinary<F, Double>.self)
        case .float16, .bfloat16: BinaryLoop(vector: F.self).widened(dtype)
        case .int8: BinaryLoop(OfRealBinary<F, Int8>.self)
        case .int16: BinaryLoop(OfRealBinary<F, Int16>.self)
        case .int32: BinaryLoop(OfRealBinary<F, Int32>.self)
        case .int64: BinaryLoop(OfRealBinary<F, Int64>.self)
        case .uint8: BinaryLoop(OfRealBinary<F, UInt8>.self)
        case .uint16: BinaryLoop(OfRealBinary<F, UInt16>.self)
        case .uint32: BinaryLoop(OfRealBinary<F, UInt32>.self)
        case .uint64: BinaryLoop(OfRealBinary<F, UInt64>.self)
        default: nil
        }
    }
    /// Returns the loop of an integer function that depends on the sign.
    @inlinable package static func integer<F: IntegerBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .int8: BinaryLoop(OfIntegerBinary<F, Int8>.self)
        case .int16: BinaryLoop(OfIntegerBinary<F, Int16>.self)
        case .int32: BinaryLoop(OfIntegerBinary<F, Int32>.self)
        case .int64: BinaryLoop(OfIntegerBinary<F, Int64>.self)
        case .uint8: BinaryLoop(OfIntegerBinary<F, UInt8>.self)
        case .uint16: BinaryLoop(OfIntegerBinary<F, UInt16>.self)
        case .uint32: BinaryLoop(OfIntegerBinary<F, UInt32>.self)
        case .uint64: BinaryLoop(OfIntegerBinary<F, UInt64>.self)
        default: nil
        }
    }
    /// Returns the loop of a bitwise integer function; signed and unsigned types share one loop.
    @inlinable package static func bits<F: IntegerBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype.isInteger ? dtype.byteCount : 0 {
        case 1: BinaryLoop(OfIntegerBinary<F, UInt8>.self)
        case 2: BinaryLoop(OfIntegerBinary<F, UInt16>.self)
        case 4: BinaryLoop(OfIntegerBinary<F, UInt32>.self)
        case 8: BinaryLoop(OfIntegerBinary<F, UInt64>.self)
        default: nil
        }
    }
    /// Returns the loop of a floating-point function of two operands.
    @inlinable package static func floating<F: FloatingBinary>(_ function: F.Type, _ dtype: DType, grain: Int = Grain.expensive) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(OfFloatingBinary<F, Float>.self, grain: grain)
        case .float64: BinaryLoop(OfFloatingBinary<F, Double>.self, grain: grain)
        case .float16, .bfloat16: BinaryLoop(OfFloatingBinary<F, Float>.self, grain: grain).widened(dtype)
        default: nil
        }
    }
    /// Returns the loop of a gradient function of floating-point and complex types.
    @inlinable package static func floatingOrComplex<F: FloatingBinary & VectorBinary & ComplexBinary>(gradient: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(vector: F.self)
        case .float64: BinaryLoop(OfFloatingBinary<F, Double>.self)
        case .float16, .bfloat16: BinaryLoop(vector: F.self).widened(dtype)
        default: complex(F.self, dtype)
        }
    }
    /// Returns the loop of a complex function of two operands.
    @inlinable package static func complex<F: ComplexBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .complex64: BinaryLoop(OfComplexBinary<F, Float>.self, grain: Grain.expensive)
        case .complex128: BinaryLoop(OfComplexBinary<F, Double>.self, grain: Grain.expensive)
        default: nil
        }
    }
    /// Returns the loop of an equality comparison. Integer, quantized and bool types are compared by their bits.
    @inlinable package static func equality<F: Equality>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(OfEquality<F, Float>.self)
        case .float64: BinaryLoop(OfEquality<F, Double>.self)
        case .float16, .bfloat16: BinaryLoop(OfEquality<F, Float>.self).widened(dtype)
        case .complex64: BinaryLoop(OfEquality<F, Complex64>.self)
        case .complex128: BinaryLoop(OfEquality<F, Complex128>.self)
        case .string: BinaryLoop(OfEquality<F, ByteString>.self)
        case .resource, .variant: nil
        default:
            switch dtype.byteCount {
            case 1: BinaryLoop(OfEquality<F, UInt8>.self)
            case 2: BinaryLoop(OfEquality<F, UInt16>.self)
            case 4: BinaryLoop(OfEquality<F, UInt32>.self)
            default: BinaryLoop(OfEquality<F, UInt64>.self)
            }
        }
    }
    /// Returns the loop of an order comparison.
    @inlinable package static func ordering<F: Ordering>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(OfOrdering<F, Float>.self)
        case .float64: BinaryLoop(OfOrdering<F, Double>.self)
        case .float16, .bfloat16: BinaryLoop(OfOrdering<F, Float>.self).widened(dtype)
        case .int8: BinaryLoop(OfOrdering<F, Int8>.self)
        case .int16: BinaryLoop(OfOrdering<F, Int16>.self)
        case .int32: BinaryLoop(OfOrdering<F, Int32>.self)
        case .int64: BinaryLoop(OfOrdering<F, Int64>.self)
        case .uint8: BinaryLoop(OfOrdering<F, UInt8>.self)
        case .uint16: BinaryLoop(OfOrdering<F, UInt16>.self)
        case .uint32: BinaryLoop(OfOrdering<F, UInt32>.self)
        case .uint64: BinaryLoop(OfOrdering<F, UInt64>.self)
        default: nil
        }
    }
}
