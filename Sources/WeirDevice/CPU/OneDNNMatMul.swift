import COneDNN
import WeirTensor

/// A matrix product that oneDNN has compiled for one size.
///
/// `dnnl_sgemm` for AVX-512 first copies both operands. When the second operand is transposed and there are few rows or
/// columns, it takes two to three times as long as a compiled product (32 × 80 × 512 on one core: 34 µs instead of 13 µs).
final class OneDNNMatMul: Sendable {
    struct Sizes: Hashable, Sendable {
        var rows: Int
        var columns: Int
        var depth: Int
        var aStride: Int
        var aTransposed: Bool
        var bStride: Int
        var bTransposed: Bool

        /// Whether rows of an operand, as stored, are not adjacent.
        fileprivate var hasGaps: Bool {
            aStride != (aTransposed ? rows : depth) || bStride != (bTransposed ? depth : columns)
        }
    }
    /// The least number of multiplications for which a compiled product saves more time than the look-up takes.
    static let leastWork = 1 << 18

    private static let cache = OneDNNCache<Sizes, OneDNNMatMul>()

    private let sizes: Sizes
    private let product: OneDNNPrimitive
    private let layouts: Layouts
    private struct Layouts {
        let a: OneDNNLayout
        let b: OneDNNLayout
        let c: OneDNNLayout
    }

    /// The product for these sizes; nil when oneDNN has no fast implementation.
    static func cached(_ sizes: Sizes) -> OneDNNMatMul? {
        // oneDNN computes with some of these numbers in 32 bits.
        guard max(sizes.rows, sizes.columns, sizes.depth, sizes.aStride, sizes.bStride) < 1 << 24 else { return nil }
        // oneDNN 3.7 and 3.9 compute with wrong strides when a matrix has one row and its elements are not adjacent.
        guard min(sizes.rows, sizes.columns, sizes.depth) > 1 || !sizes.hasGaps else { return nil }
        return cache.value(sizes) { OneDNNMatMul($0) }
    }

    private init?(_ sizes: Sizes) {
        func layout(_ rows: Int, _ columns: Int, _ stride: Int, _ isTransposed: Bool) -> OneDNNLayout? {
            OneDNNLayout([Int64(rows), Int64(columns)], strides: isTransposed ? [1, Int64(stride)] : [Int64(stride), 1])
        }
        guard let a = layout(sizes.rows, sizes.depth, sizes.aStride, sizes.aTransposed),
            let b = layout(sizes.depth, sizes.columns, sizes.bStride, sizes.bTransposed),
            // oneDNN requires that the rows of the result are contiguous.
            let c = layout(sizes.rows, sizes.columns, sizes.columns, false)
        else { return nil }
        let product = try? OneDNNPrimitive { engine, attributes, made in
            weir_matmul_primitive_desc_create(&made, engine, a.handle, b.handle, c.handle, attributes)
        }
        guard let product, !product.isReference,
            // This implementation is `dnnl_sgemm` again.
            !product.implementation.hasPrefix("gemm")
        else { return nil }
        layouts = Layouts(a: a, b: b, c: c)
        self.sizes = sizes
        self.product = product
    }

    /// Computes the product on the calling thread.
    /// - Parameters:
    ///   - cStride: the distance between rows of `c`. When it is longer than a row, the result is computed elsewhere and copied.
    ///   - adding: adds the product to `c`. The product is rounded first, then added.
    /// - Returns: false when memory ran out. Then `c` is undefined or, with `adding`, unchanged.
    func run(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, stride cStride: Int, adding: Bool
    ) -> Bool {
        guard adding || cStride != sizes.columns else { return run(a, b, c) }
        let byteCount = 4 * sizes.rows * sizes.columns
        guard let memory = try? HostAllocator.shared.allocate(byteCount) else { return false }
        defer { HostAllocator.shared.deallocate(memory, byteCount) }
        let result = memory.assumingMemoryBound(to: Float.self)
        guard run(a, b, result) else { return false }
        for row in 0..<sizes.rows {
            let (to, from) = (c + row * cStride, result + row * sizes.columns)
            if adding {
                for column in 0..<sizes.columns { to[column] += from[column] }
            } else {
                to.update(from: from, count: sizes.columns)
            }
        }
        return true
    }

    private func run(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>) -> Bool {
        let arguments = [
            OneDNNPrimitive.Argument(
                index: DNNL_ARG_SRC, layout: layouts.a, memory: UnsafeMutableRawPointer(mutating: a)),
            .init(index: DNNL_ARG_WEIGHTS, layout: layouts.b, memory: UnsafeMutableRawPointer(mutating: b)),
            .init(index: DNNL_ARG_DST, layout: layouts.c, memory: UnsafeMutableRawPointer(c)),
        ]
        return (try? product.run(arguments)) != nil
    }
}
