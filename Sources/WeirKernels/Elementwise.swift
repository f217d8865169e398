public import WeirDevice
public import WeirGraph
public import WeirTensor

// Elementwise loops. A loop is made once a node for a function and an element type; what it is given afterwards is
// memory and a count. So the loop itself is specialised, while everything around it (shapes, broadcasting, threads,
// reuse of inputs' memory) exists once.

/// How many elements are worth a thread's trouble.
@usableFromInline package enum Grain {
    /// For a few instructions an element.
    @inlinable package static var cheap: Int { 32 << 10 }
    /// For a call of a mathematical function an element.
    @inlinable package static var expensive: Int { 8 << 10 }
}

/// A function of one operand, applied to whole buffers.
@usableFromInline package struct UnaryLoop: Sendable {
    @usableFromInline package typealias Run = @Sendable (_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) -> Void

    @usableFromInline package let run: Run
    @usableFromInline package let inputSize: Int
    @usableFromInline package let outputSize: Int
    @usableFromInline package var grain: Int
    /// Whether operand and result may be the same memory without a loss of speed.
    @usableFromInline package var isInPlace: Bool

    @inlinable
    package init(run: @escaping Run, inputSize: Int, outputSize: Int, grain: Int = Grain.cheap, isInPlace: Bool = false) {
        (self.run, self.inputSize, self.outputSize, self.grain, self.isInPlace) = (run, inputSize, outputSize, grain, isInPlace)
    }

    /// `out` may be `x` itself.
    package func apply(_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) {
        if isInPlace || UnsafeRawPointer(out) != x { return run(x, out, count) }
        InPlace.blocks(out, outputSize, count) { start, block, length in run(x + start * inputSize, block, length) }
    }
}

/// A function of two operands, applied to whole buffers.
@usableFromInline package struct BinaryLoop: Sendable {
    @usableFromInline package typealias Run =
        @Sendable (
            _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ step: ScalarOperand
        ) -> Void
    /// Looks at the right operand's elements before anything is computed; throws what makes the op fail.
    @usableFromInline package typealias Check = @Sendable (_ y: UnsafeRawPointer, _ count: Int) throws -> Void

    @usableFromInline package let run: Run
    @usableFromInline package let inputSize: Int
    @usableFromInline package let outputSize: Int
    @usableFromInline package var grain: Int
    @usableFromInline package var isInPlace: Bool
    @usableFromInline package var check: Check?

    @inlinable
    package init(
        run: @escaping Run, inputSize: Int, outputSize: Int, grain: Int = Grain.cheap, isInPlace: Bool = false, check: Check? = nil
    ) {
        (self.run, self.inputSize, self.outputSize, self.grain, self.isInPlace) = (run, inputSize, outputSize, grain, isInPlace)
        self.check = check
    }

    /// `out` may be `x` or `y` itself where that is not a scalar.
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

    /// The same function with its operands exchanged.
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

/// A compiled loop tests whether operand and result overlap and goes element by element when they do. So a result that
/// takes its operand's place is computed into a block that stays in the cache, and copied.
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
    /// Says that the op is the loop of its dtype, element by element.
    package func elementwise(_ operands: ElementwiseFunction.Operands = .broadcast, binary loop: @escaping @Sendable (DType) -> BinaryLoop?) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32, let loop = loop(.float32), loop.isInPlace, loop.check == nil else { return nil }
            return .binary(operands, isExpensive: loop.grain <= Grain.expensive, loop.run)
        }
    }
    package func elementwise(unary loop: @escaping @Sendable (DType) -> UnaryLoop?) -> OpDefinition {
        elementwise { attributes in
            guard attributes.type("T") == .float32, let loop = loop(.float32), loop.isInPlace else { return nil }
            return .unary(isExpensive: loop.grain <= Grain.expensive, loop.run)
        }
    }
}

extension Kernel {
    /// Applies a loop to input 0.
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

    /// Applies a loop to inputs 0 and 1, broadcast against each other.
    package static func elementwise(_ loop: BinaryLoop, _ dtype: DType) -> Kernel {
        .sync { context in try context.apply(loop, dtype) }
    }

    /// Applies a loop to inputs 0 and 1, which must have as many elements; the result has the shape of the first.
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
    /// The memory of input `index`, without taking a reference to the tensor.
    package func firstByte(_ index: Int) -> UnsafeRawPointer { input(index).firstByte }

    /// Applies a loop to inputs 0 and 1, broadcast against each other, giving output 0.
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
        // Asked before an input's memory goes to the output.
        let isBitwise = self.dtype(0).isBitwise
        let broadcast = try Broadcast(left, right)
        let count = broadcast.shape.elementCount
        if count > 0 { try loop.check?(y, right.elementCount) }
        let out = try output(0, dtype, broadcast.shape, reusing: 0, 1).mutableFirstByte
        if isBitwise, let narrow = NarrowRows(broadcast) { return narrow.run(loop, x, y, out, on: pool) }
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
    /// How two operands go together when no row has to be stepped through: same shape, or one a single element.
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

/// A matrix and a row or a column, with rows too short to be worth a call each: the row or column is written out for many
/// rows at once.
private struct NarrowRows {
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
        let together = NarrowRows.blockLength / length
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

    /// Writes each of `count` elements `length` times.
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
