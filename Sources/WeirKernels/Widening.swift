public import WeirTensor

// The 16-bit floats are computed in 32 bits: a block is widened, passed to the float loop, and rounded back. So functions need
// no loops of their own for these types, and the conversions vectorise.

/// Conversions between the 16-bit floats and Float.
package enum Widening {
    /// The number of elements in a block: two operands and a result of this many floats stay in the first-level cache.
    package static let blockLength = 512

    /// Converts `count` elements of a 16-bit type to Float.
    package static func widen(_ dtype: DType, _ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
        if dtype == .float16 {
            let source = source.assumingMemoryBound(to: Float16.self)
            for index in 0..<count { target[index] = Float(source[index]) }
        } else {
            let source = source.assumingMemoryBound(to: UInt16.self)
            for index in 0..<count { target[index] = Float(bitPattern: UInt32(source[index]) << 16) }
        }
    }

    /// Rounds `count` floats to a 16-bit type.
    package static func narrow(_ dtype: DType, _ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ count: Int) {
        if dtype == .float16 {
            let target = target.assumingMemoryBound(to: Float16.self)
            for index in 0..<count { target[index] = Float16(source[index]) }
        } else {
            let target = target.assumingMemoryBound(to: BFloat16.self)
            for index in 0..<count { target[index] = BFloat16(source[index]) }
        }
    }

    /// Calls `body` with scratch memory for `blocks` blocks of floats.
    fileprivate static func withBlocks(_ blocks: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: blocks * blockLength) { space in
            if let base = space.baseAddress { body(base) }
        }
    }
}

extension UnaryLoop {
    /// Returns this float loop, wrapped for a 16-bit type.
    @usableFromInline package func widened(_ dtype: DType) -> UnaryLoop {
        let narrows = outputSize == 4
        let run = run
        return UnaryLoop(
            run: { x, out, count in
                Widening.withBlocks(2) { block in
                    let result = block + Widening.blockLength
                    var start = 0
                    while start < count {
                        let length = min(Widening.blockLength, count - start)
                        Widening.widen(dtype, x + 2 * start, block, length)
                        if narrows {
                            run(block, result, length)
                            Widening.narrow(dtype, result, out + 2 * start, length)
                        } else {
                            run(block, out + start, length)
                        }
                        start += length
                    }
                }
            }, inputSize: 2, outputSize: narrows ? 2 : outputSize, grain: grain, isInPlace: true)
    }
}

extension BinaryLoop {
    /// Returns this float loop, wrapped for a 16-bit type.
    @usableFromInline package func widened(_ dtype: DType) -> BinaryLoop {
        let narrows = outputSize == 4
        let run = run
        return BinaryLoop(
            run: { x, y, out, count, step in
                Widening.withBlocks(3) { space in
                    let (left, right, result) = (space, space + Widening.blockLength, space + 2 * Widening.blockLength)
                    if step == .leftScalar { Widening.widen(dtype, x, left, 1) }
                    if step == .rightScalar { Widening.widen(dtype, y, right, 1) }
                    var start = 0
                    while start < count {
                        let length = min(Widening.blockLength, count - start)
                        if step != .leftScalar { Widening.widen(dtype, x + 2 * start, left, length) }
                        if step != .rightScalar { Widening.widen(dtype, y + 2 * start, right, length) }
                        if narrows {
                            run(left, right, result, length, step)
                            Widening.narrow(dtype, result, out + 2 * start, length)
                        } else {
                            run(left, right, out + start, length, step)
                        }
                        start += length
                    }
                }
            }, inputSize: 2, outputSize: narrows ? 2 : outputSize, grain: grain, isInPlace: true)
    }
}
