import WeirKernels
import WeirTensor

// The reducers of the reduction ops.

enum SumReducer<E: NumericElement>: Reducer {
    static var identity: E { .zero }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { .plus(a, b) }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

enum ProductReducer<E: NumericElement>: Reducer {
    static var identity: E { .one }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { .times(a, b) }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

enum GreatestReducer<E: RealElement>: Reducer {
    static var identity: E { .lowest }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { a > b || a != a ? a : b }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

enum LeastReducer<E: RealElement>: Reducer {
    static var identity: E { .highest }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { a < b || a != a ? a : b }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

enum MeanReducer<E: NumericElement>: Reducer {
    static var identity: E { .zero }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { .plus(a, b) }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { .dividedBy(a, E(number: Double(count))) }
}

/// A mean of integers. They are summed in 64 bits, and the quotient rounds toward zero.
enum IntegerMeanReducer<E: IntegerElement, Wide: IntegerElement>: Reducer {
    static var identity: Wide { 0 }
    @inline(__always) static func enter(_ x: E) -> Wide { Wide(truncatingIfNeeded: x) }
    @inline(__always) static func combine(_ a: Wide, _ b: Wide) -> Wide { a &+ b }
    @inline(__always) static func leave(_ a: Wide, _ count: Int) -> E {
        count == 0 ? 0 : E(truncatingIfNeeded: a / Wide(truncatingIfNeeded: count))
    }
}

/// A Euclidean norm: the square root of the sum of squares.
enum NormReducer<E: NumericElement>: Reducer {
    static var identity: E { .zero }
    @inline(__always) static func enter(_ x: E) -> E { x.squaredMagnitude }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { .plus(a, b) }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a.root }
}

extension NumericElement {
    /// The square root of a non-negative number; for complex numbers that of the real part.
    fileprivate var root: Self {
        switch self {
        case let value as Float: return unsafeBitCast(value.squareRoot(), to: Self.self)
        case let value as Double: return unsafeBitCast(value.squareRoot(), to: Self.self)
        case let value as Complex64: return unsafeBitCast(Complex64(value.real.squareRoot(), 0), to: Self.self)
        case let value as Complex128: return unsafeBitCast(Complex128(value.real.squareRoot(), 0), to: Self.self)
        case let value as any RealElement: return Self(number: value.number < 0 ? 0 : value.number.squareRoot().rounded(.down))
        default: return self
        }
    }
}

enum AllReducer: Reducer {
    static var identity: Bool { true }
    @inline(__always) static func enter(_ x: Bool) -> Bool { x }
    @inline(__always) static func combine(_ a: Bool, _ b: Bool) -> Bool { a && b }
    @inline(__always) static func leave(_ a: Bool, _ count: Int) -> Bool { a }
}

enum AnyReducer: Reducer {
    static var identity: Bool { false }
    @inline(__always) static func enter(_ x: Bool) -> Bool { x }
    @inline(__always) static func combine(_ a: Bool, _ b: Bool) -> Bool { a || b }
    @inline(__always) static func leave(_ a: Bool, _ count: Int) -> Bool { a }
}

extension ReduceLoops {
    static func sum(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(SumReducer<Float>.self)
        case .float64: ReduceLoops(SumReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<SumReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<SumReducer<Float>, BFloat16>.self)
        case .complex64: ReduceLoops(SumReducer<Complex64>.self)
        case .complex128: ReduceLoops(SumReducer<Complex128>.self)
        case .int8, .uint8: ReduceLoops(SumReducer<Int8>.self)
        case .int16, .uint16: ReduceLoops(SumReducer<Int16>.self)
        case .int32, .uint32: ReduceLoops(SumReducer<Int32>.self)
        case .int64, .uint64: ReduceLoops(SumReducer<Int64>.self)
        default: nil
        }
    }
    static func product(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(ProductReducer<Float>.self)
        case .float64: ReduceLoops(ProductReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<ProductReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<ProductReducer<Float>, BFloat16>.self)
        case .complex64: ReduceLoops(ProductReducer<Complex64>.self)
        case .complex128: ReduceLoops(ProductReducer<Complex128>.self)
        case .int8, .uint8: ReduceLoops(ProductReducer<Int8>.self)
        case .int16, .uint16: ReduceLoops(ProductReducer<Int16>.self)
        case .int32, .uint32: ReduceLoops(ProductReducer<Int32>.self)
        case .int64, .uint64: ReduceLoops(ProductReducer<Int64>.self)
        default: nil
        }
    }
    static func greatest(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(GreatestReducer<Float>.self)
        case .float64: ReduceLoops(GreatestReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<GreatestReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<GreatestReducer<Float>, BFloat16>.self)
        case .int8: ReduceLoops(GreatestReducer<Int8>.self)
        case .int16: ReduceLoops(GreatestReducer<Int16>.self)
        case .int32: ReduceLoops(GreatestReducer<Int32>.self)
        case .int64: ReduceLoops(GreatestReducer<Int64>.self)
        case .uint8: ReduceLoops(GreatestReducer<UInt8>.self)
        case .uint16: ReduceLoops(GreatestReducer<UInt16>.self)
        case .uint32: ReduceLoops(GreatestReducer<UInt32>.self)
        case .uint64: ReduceLoops(GreatestReducer<UInt64>.self)
        default: nil
        }
    }
    static func least(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(LeastReducer<Float>.self)
        case .float64: ReduceLoops(LeastReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<LeastReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<LeastReducer<Float>, BFloat16>.self)
        case .int8: ReduceLoops(LeastReducer<Int8>.self)
        case .int16: ReduceLoops(LeastReducer<Int16>.self)
        case .int32: ReduceLoops(LeastReducer<Int32>.self)
        case .int64: ReduceLoops(LeastReducer<Int64>.self)
        case .uint8: ReduceLoops(LeastReducer<UInt8>.self)
        case .uint16: ReduceLoops(LeastReducer<UInt16>.self)
        case .uint32: ReduceLoops(LeastReducer<UInt32>.self)
        case .uint64: ReduceLoops(LeastReducer<UInt64>.self)
        default: nil
        }
    }
    static func mean(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(MeanReducer<Float>.self)
        case .float64: ReduceLoops(MeanReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<MeanReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<MeanReducer<Float>, BFloat16>.self)
        case .complex64: ReduceLoops(MeanReducer<Complex64>.self)
        case .complex128: ReduceLoops(MeanReducer<Complex128>.self)
        case .int8: ReduceLoops(IntegerMeanReducer<Int8, Int64>.self)
        case .int16: ReduceLoops(IntegerMeanReducer<Int16, Int64>.self)
        case .int32: ReduceLoops(IntegerMeanReducer<Int32, Int64>.self)
        case .int64: ReduceLoops(IntegerMeanReducer<Int64, Int64>.self)
        case .uint8: ReduceLoops(IntegerMeanReducer<UInt8, UInt64>.self)
        case .uint16: ReduceLoops(IntegerMeanReducer<UInt16, UInt64>.self)
        case .uint32: ReduceLoops(IntegerMeanReducer<UInt32, UInt64>.self)
        case .uint64: ReduceLoops(IntegerMeanReducer<UInt64, UInt64>.self)
        default: nil
        }
    }
    static func norm(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(NormReducer<Float>.self)
        case .float64: ReduceLoops(NormReducer<Double>.self)
        case .float16: ReduceLoops(HalfPrecisionReducer<NormReducer<Float>, Float16>.self)
        case .bfloat16: ReduceLoops(HalfPrecisionReducer<NormReducer<Float>, BFloat16>.self)
        case .complex64: ReduceLoops(NormReducer<Complex64>.self)
        case .complex128: ReduceLoops(NormReducer<Complex128>.self)
        case .int8: ReduceLoops(NormReducer<Int8>.self)
        case .int16: ReduceLoops(NormReducer<Int16>.self)
        case .int32: ReduceLoops(NormReducer<Int32>.self)
        case .int64: ReduceLoops(NormReducer<Int64>.self)
        case .uint8: ReduceLoops(NormReducer<UInt8>.self)
        case .uint16: ReduceLoops(NormReducer<UInt16>.self)
        case .uint32: ReduceLoops(NormReducer<UInt32>.self)
        case .uint64: ReduceLoops(NormReducer<UInt64>.self)
        default: nil
        }
    }
}
