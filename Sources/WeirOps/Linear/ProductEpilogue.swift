import WeirDevice
import WeirKernels
import WeirTensor

/// A function applied to a product's elements before they are stored. It gets 16 adjacent elements of a row at a time. For a
/// small product they are still in registers; for a large one each strip is finished while it is in the cache.
protocol ProductEpilogue: Sendable {
    /// Returns the data that `apply` needs for the `width` columns from `column` on.
    func prepare(_ column: Int, _ width: Int) -> SIMD16<Float>
    func apply(_ sums: SIMD16<Float>, _ prepared: SIMD16<Float>) -> SIMD16<Float>
}

/// A finish that does nothing.
struct IdentityEpilogue: ProductEpilogue {
    @inline(__always) func prepare(_ column: Int, _ width: Int) -> SIMD16<Float> { .zero }
    @inline(__always) func apply(_ sums: SIMD16<Float>, _ prepared: SIMD16<Float>) -> SIMD16<Float> { sums }
}

/// A finish that adds a bias vector to each row and applies an activation.
struct BiasEpilogue<A: Activation>: ProductEpilogue, @unchecked Sendable {  // the bias is only read
    let bias: UnsafePointer<Float>
    let activation: A

    @inline(__always)
    func prepare(_ column: Int, _ width: Int) -> SIMD16<Float> {
        SIMD16(bias + column, width)
    }
    @inline(__always)
    func apply(_ sums: SIMD16<Float>, _ prepared: SIMD16<Float>) -> SIMD16<Float> {
        let values = sums + prepared
        return SIMD16(lowHalf: activation.vector(values.lowHalf), highHalf: activation.vector(values.highHalf))
    }
}

/// The identity as an activation.
struct IdentityFunction: Activation {
    @inline(__always) func vector(_ x: VectorMath.Vector) -> VectorMath.Vector { x }
    func scalar(_ x: Double) -> Double { x }
    var cuda: String { "x" }
}

extension ProductEpilogue {
    /// Finishes a computed block of `rows` rows and `columns` columns. `column` is the index of its first column in the result.
    func run(_ block: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, stride: Int, column: Int) {
        for start in Swift.stride(from: 0, to: columns, by: 16) {
            let width = min(16, columns &- start)
            let prepared = prepare(column &+ start, width)
            var target = block + start
            for _ in 0..<rows {
                apply(SIMD16(target, width), prepared).store(target, width)
                target += stride
            }
        }
    }
}

extension MatrixProduct {
    /// Computes `c = finish(a · b)`, on several threads if it is large.
    func run(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ pool: ComputePool,
        _ finish: some ProductEpilogue
    ) {
        guard rows > 0, columns > 0 else { return }
        guard depth > 0 else {
            c.update(repeating: 0, count: rows * columns)
            return finish.run(c, rows, columns, stride: columns, column: 0)
        }
        if Float.isSmallProduct(rows, columns, depth) {
            return smallProduct(rows, columns, depth, left(a), right(b), c, stride: columns, finish)
        }
        forEachStrip(a, b, pool) { strip in
            let target = c + strip.row * columns + strip.column
            Float.multiply(strip.rows, strip.columns, depth, strip.a, strip.b, target, stride: columns)
            finish.run(target, strip.rows, strip.columns, stride: columns, column: strip.column)
        }
    }

    /// Whether `accumulate` gives the same bits as computing the product and then adding it. For a deeper product, or one with
    /// a vector, oneDNN sums several parts and would add each part to `c` separately; without AVX-512 it also does so when A is
    /// transposed.
    var canAccumulate: Bool {
        rows > 1 && columns > 1 && depth > 0 && depth <= 128 && (OneDNN.usesAVX512 || !transposesA)
            && !Float.isSmallProduct(rows, columns, depth)
    }

    /// Adds the product to `c`.
    func accumulate(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ pool: ComputePool
    ) {
        forEachStrip(a, b, pool) { strip in
            let target = c + strip.row * columns + strip.column
            let isComplete = strip.rows > 1 && strip.columns > 1 && !Float.isSmallProduct(strip.rows, strip.columns, depth)
            let done =
                isComplete
                && OneDNN.multiply(
                    strip.rows, strip.columns, depth, strip.a.base, strip.a.stride, transposed: strip.a.isTransposed, strip.b.base,
                    strip.b.stride, transposed: strip.b.isTransposed, target, columns, adding: true)
            if done { return }
            // Uses little scratch memory, since oneDNN may have failed for lack of memory.
            let height = min(strip.rows, max(1, 65536 / strip.columns))
            HostAllocator.shared.withScratch(4 * height * strip.columns) { memory in
                let sums = memory.assumingMemoryBound(to: Float.self)
                for start in Swift.stride(from: 0, to: strip.rows, by: height) {
                    let count = min(height, strip.rows - start)
                    Float.multiply(count, strip.columns, depth, strip.a.from(row: start, column: 0), strip.b, sums, stride: strip.columns)
                    for row in 0..<count {
                        let place = target + (start + row) * columns
                        for column in 0..<strip.columns { place[column] += sums[row * strip.columns + column] }
                    }
                }
            }
        }
    }
}
