import WeirDevice
import WeirKernels
import WeirTensor

/// The sizes and transpositions of a matrix product. One value is applied to many pairs of matrices.
struct MatrixProduct {
    var rows: Int
    var columns: Int
    var depth: Int
    var transposesA = false
    var transposesB = false
    /// Whether transposition also conjugates (adjoint), as in batched products.
    var conjugates = false

    /// The least number of multiply-adds worth a task on another thread: 8 to 20 µs of oneDNN on one core. A smaller task pays
    /// for more than the dispatch: its result lies in another core's cache, from which the next kernel must fetch it.
    static let grain = (OneDNN.usesAVX512 ? 1.0 : 0.75) * 1024 * 1024

    private var work: Double { Double(rows) * Double(columns) * Double(depth) }

    func left<E>(_ a: UnsafePointer<E>) -> MatrixOperand<E> {
        MatrixOperand(
            base: a, stride: transposesA ? rows : depth, isTransposed: transposesA, isConjugated: transposesA && conjugates)
    }
    func right<E>(_ b: UnsafePointer<E>) -> MatrixOperand<E> {
        MatrixOperand(
            base: b, stride: transposesB ? depth : columns, isTransposed: transposesB, isConjugated: transposesB && conjugates)
    }

    /// Computes `c = a · b`, on several threads if it is large.
    func run<E: MatrixElement>(
        _ a: UnsafePointer<E>, _ b: UnsafePointer<E>, _ c: UnsafeMutablePointer<E>, _ pool: ComputePool
    ) {
        guard rows > 0, columns > 0 else { return }
        guard depth > 0 else { return c.update(repeating: .zero, count: rows * columns) }
        forEachStrip(a, b, pool) { strip in
            E.multiply(
                strip.rows, strip.columns, depth, strip.a, strip.b, c + strip.row * columns + strip.column, stride: columns)
        }
    }

    /// A part of the result that one task computes: some rows or columns, and the operands for them.
    struct Strip<E> {
        var row = 0
        var column = 0
        var rows: Int
        var columns: Int
        var a: MatrixOperand<E>
        var b: MatrixOperand<E>
    }

    /// Splits the product among threads if it is large.
    @inline(__always)
    func forEachStrip<E>(
        _ a: UnsafePointer<E>, _ b: UnsafePointer<E>, _ pool: ComputePool, _ body: (Strip<E>) -> Void
    ) {
        let whole = Strip(rows: rows, columns: columns, a: left(a), b: right(b))
        guard work >= 2 * MatrixProduct.grain, pool.threadCount > 1 else { return body(whole) }
        // Splits the longer of rows and columns into strips of 16.
        let byRow = rows >= columns
        let length = byRow ? rows : columns
        let strips = (length + 15) / 16
        let grain = Int((MatrixProduct.grain / work * Double(strips)).rounded(.up))
        pool.parallelFor(strips, grain: grain) { range in
            let start = range.lowerBound * 16, count = min(range.upperBound * 16, length) - start
            var strip = whole
            if byRow {
                strip.row = start
                strip.rows = count
                strip.a = whole.a.from(row: start, column: 0)
            } else {
                strip.column = start
                strip.columns = count
                strip.b = whole.b.from(row: 0, column: start)
            }
            body(strip)
        }
    }

    /// Computes one product for each pair of offsets. The results are contiguous.
    func run<E: MatrixElement>(
        batch aOffsets: [Int], _ bOffsets: [Int], _ a: UnsafePointer<E>, _ b: UnsafePointer<E>, _ c: UnsafeMutablePointer<E>,
        _ pool: ComputePool
    ) {
        // Without pairs there is nothing to compute, and the sizes are not bounded by memory.
        guard !aOffsets.isEmpty else { return }
        let count = aOffsets.count, size = rows * columns
        guard count >= pool.threadCount, depth > 0, size > 0 else {
            for index in 0..<count { run(a + aOffsets[index], b + bOffsets[index], c + index * size, pool) }
            return
        }
        pool.parallelFor(count, grain: max(1, Int(MatrixProduct.grain / max(work, 64)))) { range in
            for index in range {
                E.multiply(
                    rows, columns, depth, left(a + aOffsets[index]), right(b + bOffsets[index]), c + index * size,
                    stride: columns)
            }
        }
    }
}
