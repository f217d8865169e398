import WeirDevice
public import WeirTensor

// Reductions. As with elementwise loops, only the innermost work is specialised for a function and a type: a contiguous row
// into one accumulator, and rows into a row of accumulators. `Reduction` finds the rows.
//
// The order of combining depends on shapes alone, never on threads, so results are reproducible. Rows are summed in many lanes
// and blocks, so that rounding errors grow with the logarithm of the count, not with the count.

/// A function that reduces many elements to one.
@usableFromInline package protocol Reducer: SendableMetatype {
    associatedtype Element: TensorElement
    associatedtype Accumulator: BitwiseCopyable
    /// The neutral element of `combine`.
    static var identity: Accumulator { get }
    /// Converts an element to an accumulator.
    static func enter(_ x: Element) -> Accumulator
    /// Combines two accumulators.
    static func combine(_ a: Accumulator, _ b: Accumulator) -> Accumulator
    /// Returns the result of reducing `count` elements.
    static func leave(_ a: Accumulator, _ count: Int) -> Element
}

/// A reducer over floats, applied to a 16-bit float type.
@usableFromInline package enum HalfPrecisionReducer<R: Reducer, E: FloatingElement>: Reducer where R.Element == Float, E.Compute == Float {
    @inlinable package static var identity: R.Accumulator { R.identity }
    @inlinable @inline(__always) package static func enter(_ x: E) -> R.Accumulator { R.enter(x.compute) }
    @inlinable @inline(__always) package static func combine(_ a: R.Accumulator, _ b: R.Accumulator) -> R.Accumulator { R.combine(a, b) }
    @inlinable @inline(__always) package static func leave(_ a: R.Accumulator, _ count: Int) -> E { E(compute: R.leave(a, count)) }
}

/// The loops of a reducer on raw memory.
@usableFromInline package struct ReduceLoops: Sendable {
    @usableFromInline package let elementSize: Int
    @usableFromInline package let accumulatorSize: Int
    /// Sets accumulators to the identity.
    @usableFromInline package let clear: @Sendable (_ accumulators: UnsafeMutableRawPointer, _ count: Int) -> Void
    /// Reduces each of `rowCount` adjacent rows of `length` elements to one accumulator.
    @usableFromInline package let reduceRows:
        @Sendable (
            _ x: UnsafeRawPointer, _ rowCount: Int, _ length: Int, _ accumulators: UnsafeMutableRawPointer
        ) -> Void
    /// Combines rows, which start `stride` elements apart, into a row of accumulators.
    @usableFromInline package let accumulate:
        @Sendable (
            _ x: UnsafeRawPointer, _ rowCount: Int, _ stride: Int, _ length: Int, _ accumulators: UnsafeMutableRawPointer
        ) -> Void
    /// Combines accumulators into others.
    @usableFromInline package let merge: @Sendable (_ from: UnsafeRawPointer, _ into: UnsafeMutableRawPointer, _ count: Int) -> Void
    /// Converts accumulators, each of `reduced` elements, to results.
    @usableFromInline package let finish:
        @Sendable (
            _ accumulators: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ reduced: Int
        ) -> Void

    @inlinable package init<R: Reducer>(_ reducer: R.Type) {
        typealias A = R.Accumulator
        typealias E = R.Element
        elementSize = MemoryLayout<E>.stride
        accumulatorSize = MemoryLayout<A>.stride
        clear = { accumulators, count in
            let accumulators = accumulators.assumingMemoryBound(to: A.self)
            for index in 0..<count { accumulators[index] = R.identity }
        }
        reduceRows = { x, rowCount, length, accumulators in
            let x = x.assumingMemoryBound(to: E.self)
            let accumulators = accumulators.assumingMemoryBound(to: A.self)
            if length < RowReduction<R>.minimumLaneLength {
                for row in 0..<rowCount {
                    var sum = R.identity
                    for index in row * length..<(row + 1) * length { sum = R.combine(sum, R.enter(x[index])) }
                    accumulators[row] = sum
                }
            } else {
                withUnsafeTemporaryAllocation(of: A.self, capacity: RowReduction<R>.laneCount) { lanes in
                    guard let lanes = lanes.baseAddress else { return }
                    for row in 0..<rowCount { accumulators[row] = RowReduction<R>.reduce(x + row * length, length, lanes) }
                }
            }
        }
        accumulate = { x, rowCount, stride, length, accumulators in
            let x = x.assumingMemoryBound(to: E.self)
            let accumulators = accumulators.assumingMemoryBound(to: A.self)
            RowReduction<R>.accumulate(x, rowCount, stride, length, accumulators)
        }
        merge = { from, into, count in
            let from = from.assumingMemoryBound(to: A.self)
            let into = into.assumingMemoryBound(to: A.self)
            for index in 0..<count { into[index] = R.combine(into[index], from[index]) }
        }
        finish = { accumulators, out, count, reduced in
            let accumulators = accumulators.assumingMemoryBound(to: A.self)
            let out = out.assumingMemoryBound(to: E.self)
            for index in 0..<count { out[index] = R.leave(accumulators[index], reduced) }
        }
    }
}

/// The innermost loops, over independent lanes.
@usableFromInline enum RowReduction<R: Reducer> {
    @inlinable package static var laneCount: Int { 64 }
    /// The shortest row that is reduced in lanes; shorter rows are reduced element by element.
    @inlinable package static var minimumLaneLength: Int { 16 }
    /// The least number of elements that narrow rows are combined in at a time.
    @inlinable package static var wideLength: Int { 256 }

    @inlinable package static func reduce(_ x: UnsafePointer<R.Element>, _ length: Int, _ lanes: UnsafeMutablePointer<R.Accumulator>) -> R.Accumulator {
        let used = length < 64 ? 16 : 64
        for lane in 0..<used { lanes[lane] = R.identity }
        var index = 0
        while index &+ 64 <= length {
            let block = x + index
            for lane in 0..<64 { lanes[lane] = R.combine(lanes[lane], R.enter(block[lane])) }
            index &+= 64
        }
        while index &+ 16 <= length {
            let block = x + index
            for lane in 0..<16 { lanes[lane] = R.combine(lanes[lane], R.enter(block[lane])) }
            index &+= 16
        }
        for lane in 0..<length &- index { lanes[lane] = R.combine(lanes[lane], R.enter(x[index &+ lane])) }
        var width = used / 2
        while width > 0 {
            for lane in 0..<width { lanes[lane] = R.combine(lanes[lane], lanes[lane &+ width]) }
            width /= 2
        }
        return lanes[0]
    }

    @inlinable package static func accumulate(
        _ x: UnsafePointer<R.Element>, _ rowCount: Int, _ stride: Int, _ length: Int,
        _ accumulators: UnsafeMutablePointer<R.Accumulator>
    ) {
        let together = stride == length && length > 0 ? wideLength / length : 0
        guard together > 1, rowCount >= 2 * together else {
            for row in 0..<rowCount { combine(x + row * stride, accumulators, length) }
            return
        }
        // Combines several narrow rows at once, so that the loop is long enough for vector instructions.
        let width = together * length
        HostAllocator.shared.withScratch(width * MemoryLayout<R.Accumulator>.stride) { memory in
            let wide = memory.assumingMemoryBound(to: R.Accumulator.self)
            for index in 0..<width { wide[index] = R.identity }
            let full = rowCount / together
            for group in 0..<full { combine(x + group * width, wide, width) }
            for row in 0..<together {
                for index in 0..<length {
                    accumulators[index] = R.combine(accumulators[index], wide[row * length + index])
                }
            }
            for row in full * together..<rowCount { combine(x + row * length, accumulators, length) }
        }
    }

    @inline(__always)
    @inlinable static func combine(_ x: UnsafePointer<R.Element>, _ accumulators: UnsafeMutablePointer<R.Accumulator>, _ length: Int) {
        for index in 0..<length { accumulators[index] = R.combine(accumulators[index], R.enter(x[index])) }
    }
}
