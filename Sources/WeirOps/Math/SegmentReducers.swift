import WeirKernels
import WeirTensor

// Reducers of segments. They differ from reducers along axes in their handling of NaN and in the result of an empty segment.

enum SegmentGreatestReducer<E: RealElement>: Reducer {
    static var identity: E { .lowestFinite }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { a < b ? b : a }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

enum SegmentLeastReducer<E: RealElement>: Reducer {
    static var identity: E { .highestFinite }
    @inline(__always) static func enter(_ x: E) -> E { x }
    @inline(__always) static func combine(_ a: E, _ b: E) -> E { b < a ? b : a }
    @inline(__always) static func leave(_ a: E, _ count: Int) -> E { a }
}

/// The sum divided by the square root of the count.
enum SqrtNReducer<E: FloatingElement>: Reducer {
    static var identity: E.Compute { 0 }
    @inline(__always) static func enter(_ x: E) -> E.Compute { x.compute }
    @inline(__always) static func combine(_ a: E.Compute, _ b: E.Compute) -> E.Compute { a + b }
    @inline(__always) static func leave(_ a: E.Compute, _ count: Int) -> E { E(compute: a / E.Compute(count).squareRoot()) }
}

extension ReduceLoops {
    static func segmentGreatest(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(SegmentGreatestReducer<Float>.self)
        case .float64: ReduceLoops(SegmentGreatestReducer<Double>.self)
        case .float16: ReduceLoops(SegmentGreatestReducer<Float16>.self)
        case .bfloat16: ReduceLoops(SegmentGreatestReducer<BFloat16>.self)
        default: greatest(dtype)
        }
    }
    static func segmentLeast(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(SegmentLeastReducer<Float>.self)
        case .float64: ReduceLoops(SegmentLeastReducer<Double>.self)
        case .float16: ReduceLoops(SegmentLeastReducer<Float16>.self)
        case .bfloat16: ReduceLoops(SegmentLeastReducer<BFloat16>.self)
        default: least(dtype)
        }
    }
    static func rootMean(_ dtype: DType) -> ReduceLoops? {
        switch dtype {
        case .float32: ReduceLoops(SqrtNReducer<Float>.self)
        case .float64: ReduceLoops(SqrtNReducer<Double>.self)
        case .float16: ReduceLoops(SqrtNReducer<Float16>.self)
        case .bfloat16: ReduceLoops(SqrtNReducer<BFloat16>.self)
        default: nil
        }
    }
}
