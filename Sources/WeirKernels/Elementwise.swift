import WeirDevice
public import WeirGraph
package import WeirTensor

// Elementwise loops. A kernel makes its loop once per node, for one function and one element type. The loop then gets only
// pointers and a count. So only the loop is specialised; shapes, broadcasting, threads and buffer reuse are handled by shared
// code.

/// The least number of elements worth a task on another thread.
@usableFromInline package enum Grain {
    /// For functions of a few instructions per element.
    @inlinable package static var cheap: Int { 32 << 10 }
    /// For functions that call a mathematical function per element.
    @inlinable package static var expensive: Int { 8 << 10 }
}

/// A loop that applies a function of one operand to whole buffers.
@usableFromInline package struct UnaryLoop: Sendable {
    @usableFromInline package typealias Run = @Sendable (_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) -> Void

    @usableFromInline package let run: Run
    @usableFromInline package let inputSize: Int
    @usableFromInline package let outputSize: Int
    @usableFromInline package var grain: Int
    /// Whether `out` may be the same memory as `x` without a loss of speed.
    @usableFromInline package var isInPlace: Bool

    @inlinable
    package init(run: @escaping Run, inputSize: Int, outputSize: Int, grain: Int = Grain.cheap, isInPlace: Bool = false) {
        (self.run, self.inputSize, self.outputSize, self.grain, self.isInPlace) = (run, inputSize, outputSize, grain, isInPlace)
    }

    /// Applies the loop. `out` may be the same memory as `x`.
    package func apply(_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) {
        if isInPlace || UnsafeRawPointer(out) != x { return run(x, out, count) }
        InPlace.blocks(out, outputSize, count) { start, block, length in run(x + start * inputSize, block, length) }
    }
}

/// A loop that applies a function of two operands to whole buffers.
@usableFromInline package struct BinaryLoop: Sendable {
    @usableFromInline package typealias Run =
        @Sendable (
            _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ step: ScalarOperand
        ) -> Void
    /// Checks the right operand's elements before the loop runs. Throws the error that the op fails with.
    @usableFromInline package typealias Check = @Sendable (_ y: UnsafeRawPointer, _ count: Int) throws -> Void

    @usableFromInline package let run: Run
    @usableFromInline package let inputSize: Int
    @usableFromInline package let outputSize: Int
    @usableFromInline package var grain: Int
    @usableFromInline package var isInPlace: Bool
    /// Whether `out` may be the same memory as an operand without a loss of speed.
    @usableFromInline package var check: Check?

    @inlinable
    package init(
        run: @escaping Run, inputSize: Int, outputSize: Int, grain: Int = Grain.cheap, isInPlace: Bool = false, check: Check? = nil
    ) {
        (self.run, self.inputSize, self.outputSize, self.grain, self.isInPlace) = (run, inputSize, outputSize, grain, isInPlace)
        self.check = check
    }

    /// Applies the loop. `out` may be the same memory as `x` or `y`, unless that operand is a scalar.
    package func apply(
        _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ step: ScalarOperand = .both
    ) {
        if isInPlace || (UnsafeRawPointer(out) != x && UnsafeRawPointer(out) != y) { return run(x, y, out, count, step) }
        let xSize = step == .leftScalar ? 0 : inputSize
        let ySize = step == .rightScalar ? 0 : inputSize
        InPlace.blocks(out, outputSize, count) { start, block, length in
            run(x + start * xSize, y + start * ySize, block, length, step)
        }
    }

    /// The same function with its operands swapped.
    package var swapped: BinaryLoop {
        let run = run
        return BinaryLoop(
            run: { x, y, out, count, step in
                switch step {
                case .both: run(y, x, out, count, .both)
                case .leftScalar: run(y, x, out, count, .rightScalar)
                case .rightScalar: run(y, x, out, count, .leftScalar)
                }
            }, inputSize: inputSize, outputSize: outputSize, grain: grain, isInPlace: isInPlace)
    }
}

/// Runs a loop in place through a small block. A compiled loop checks whether its operands overlap the result and runs element
/// by element if they do. So the result goes to a block that stays in the cache, and is then copied over the operand.
private enum InPlace {
    @usableFromInline package static let blockSize = 4096

    package static func blocks(
        _ out: UnsafeMutableRawPointer, _ size: Int, _ count: Int,
        _ compute: (_ start: Int, _ block: UnsafeMutableRawPointer, _ length: Int) -> Void
    ) {
        let most = blockSize / size
        withUnsafeTemporaryAllocation(byteCount: blockSize, alignment: 64) { block in
            guard let base = block.baseAddress else { return }
            var start = 0
            while start < count {
                let length = min(most, count - start)
                compute(start, base, length)
                (out + start * size).copyMemory(from: base, byteCount: length * size)
                start += length
            }
        }
    }
}

extension OpDefinition {
    /// Declares that the op applies the loop of its dtype element by element. Only an in-place float32 loop without a check can
    /// be fused.
    package func elementwise(_ operands: ElementwiseFunction.Operands = .broadcast, binary loop: @escaping @Sendable (DType) -> BinaryLoop?) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32, let loop = loop(.float32), loop.isInPlace, loop.check == nil else { return nil }
            return .binary(operands, isExpensive: loop.grain <= Grain.expensive, loop.run)
        }
    }
    /// Declares that the op applies a unary loop element by element. Only an in-place float32 loop can be fused.
    package func elementwise(unary loop: @escaping @Sendable (DType) -> UnaryLoop?) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32, let loop = loop(.float32), loop.isInPlace else { return nil }
            return .unary(isExpensive: loop.grain <= Grain.expensive, loop.run)
        }
    }
}

extension Kernel {
    /// Returns a kernel that applies a loop to input 0.
    package static func elementwise(_ loop: UnaryLoop, _ dtype: DType) -> Kernel {
        .sync { context in
            let shape = context.shape(0)
            let x = context.firstByte(0)
            let out = try context.output(0, dtype, shape, reusing: 0).mutableFirstByte
            context.pool.parallelFor(shape.elementCount, grain: loop.grain) { range in
                loop.apply(x + range.lowerBound * loop.inputSize, out + range.lowerBound * loop.outputSize, range.count)
            }
        }
    }

    /// Returns a kernel that applies a loop to inputs 0 and 1 with broadcasting.
    package static func elementwise(_ loop: BinaryLoop, _ dtype: DType) -> Kernel {
        .sync { context in try context.apply(loop, dtype) }
    }

    /// Returns a kernel that applies a loop to inputs 0 and 1. They must have the same number of elements; the result has the
    /// shape of input 0.
    package static func elementwiseUnbroadcast(_ loop: BinaryLoop, _ dtype: DType) -> Kernel {
        .sync { context in
            let shape = context.shape(0)
            let count = shape.elementCount
            guard context.shape(1).elementCount == count else {
                throw Status.invalidArgument(
                    "The two arguments to a cwise op must have same number of elements, got \(count) and "
                        + "\(context.shape(1).elementCount)")
            }
            let (x, y) = (context.firstByte(0), context.firstByte(1))
            let out = try context.output(0, dtype, shape, reusing: 0, 1).mutableFirstByte
            context.run(loop, x, y, out, count, .both)
        }
    }
}

extension KernelContext {
    /// Returns the address of input `index` without retaining the tensor.
    package func firstByte(_ index: Int) -> UnsafeRawPointer { input(index).firstByte }

    /// Applies a loop to inputs 0 and 1 with broadcasting, and sets output 0.
    package func apply(_ loop: BinaryLoop, _ dtype: DType) throws {
        let (left, right) = (shape(0), shape(1))
        let (x, y) = (firstByte(0), firstByte(1))
        if let step = ScalarOperand(left, right) {
            let shape = step == .leftScalar ? right : left
            let count = shape.elementCount
            if count > 0 { try loop.check?(y, right.elementCount) }
            let out = try output(0, dtype, shape, reusing: 0, 1).mutableFirstByte
            run(loop, x, y, out, count, step)
            return
        }
        // Reads the dtype first: afterwards the output may own an input's buffer.
        let isBitwise = self.dtype(0).isBitwise
        let broadcast = try Broadcast(left, right)
        let count = broadcast.shape.elementCount
        if count > 0 { try loop.check?(y, right.elementCount) }
        let out = try output(0, dtype, broadcast.shape, reusing: 0, 1).mutableFirstByte
        if isBitwise, let narrow = ShortRowBroadcast(broadcast) { return narrow.run(loop, x, y, out, on: pool) }
        let (size, outputSize) = (loop.inputSize, loop.outputSize)
        pool.parallelFor(broadcast.rowCount, grain: max(1, loop.grain / max(broadcast.rowLength, 1))) { rows in
            broadcast.forEachRow(rows) { row, a, b, length, aStride, bStride in
                let step: ScalarOperand = aStride == 0 ? .leftScalar : bStride == 0 ? .rightScalar : .both
                loop.apply(x + a * size, y + b * size, out + row * outputSize, length, step)
            }
        }
    }

    fileprivate func run(
        _ loop: BinaryLoop, _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int,
        _ step: ScalarOperand
    ) {
        let xSize = step == .leftScalar ? 0 : loop.inputSize
        let ySize = step == .rightScalar ? 0 : loop.inputSize
        pool.parallelFor(count, grain: loop.grain) { range in
            let start = range.lowerBound
            loop.apply(x + start * xSize, y + start * ySize, out + start * loop.outputSize, range.count, step)
        }
    }
}

extension ScalarOperand {
    /// Returns how the loop reads two operands that need no broadcasting by rows: same shape, or one has a single element. Nil
    /// otherwise.
    package init?(_ left: Shape, _ right: Shape) {
        if left == right {
            self = .both
        } else if right.elementCount == 1, right.rank <= left.rank {
            self = .rightScalar
        } else if left.elementCount == 1, left.rank <= right.rank {
            self = .leftScalar
        } else {
            return nil
        }
    }
}

/// The broadcast of a matrix with a row or a column, for rows too short to call the loop once per row. The row or column is
/// expanded into a block of many rows, and the loop runs on the whole block.
private struct ShortRowBroadcast {
    private static let blockLength = 1024
    private let rowCount: Int
    private let length: Int
    private let isLeftFull: Bool
    private let repeatsRow: Bool

    package init?(_ broadcast: Broadcast) {
        guard broadcast.dimensions.count == 2, broadcast.rowLength <= 32, broadcast.rowCount >= 16 else { return nil }
        (rowCount, length) = (broadcast.rowCount, broadcast.rowLength)
        let (left, right) = (broadcast.leftStrides, broadcast.rightStrides)
        isLeftFull = left[0] != 0 && left[1] != 0
        guard isLeftFull || (right[0] != 0 && right[1] != 0) else { return nil }
        repeatsRow = (isLeftFull ? right : left)[0] == 0
    }

    package func run(
        _ loop: BinaryLoop, _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, on pool: ComputePool
    ) {
        let size = loop.inputSize
        let (full, other) = isLeftFull ? (x, y) : (y, x)
        let together = ShortRowBroadcast.blockLength / length
        pool.parallelFor(rowCount, grain: max(1, loop.grain / length)) { rows in
            HostAllocator.shared.withScratch(together * length * size) { block in
                if repeatsRow {
                    for row in 0..<together { (block + row * length * size).copyMemory(from: other, byteCount: length * size) }
                }
                for start in stride(from: rows.lowerBound, to: rows.upperBound, by: together) {
                    let count = min(together, rows.upperBound - start)
                    if !repeatsRow { spread(other + start * size, size, count, block) }
                    let (a, b) = (full + start * length * size, UnsafeRawPointer(block))
                    let target = out + start * length * loop.outputSize
                    loop.apply(isLeftFull ? a : b, isLeftFull ? b : a, target, count * length)
                }
            }
        }
    }

    /// Writes each of `count` elements `length` times in a row.
    private func spread(_ source: UnsafeRawPointer, _ size: Int, _ count: Int, _ target: UnsafeMutableRawPointer) {
        func write<E>(_ type: E.Type) {
            let (source, target) = (source.assumingMemoryBound(to: E.self), target.assumingMemoryBound(to: E.self))
            for row in 0..<count {
                let (value, start) = (source[row], target + row * length)
                for column in 0..<length { start[column] = value }
            }
        }
        switch size {
        case 1: write(UInt8.self)
        case 2: write(UInt16.self)
        case 4: write(UInt32.self)
        case 8: write(UInt64.self)
        default: write(SIMD2<UInt64>.self)
        }
    }
}
