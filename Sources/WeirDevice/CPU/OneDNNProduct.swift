import COneDNN
import WeirTensor

extension OneDNN {
    /// `c = op(a) · op(b)`, all row-major, where `op` transposes what is said to be transposed.
    ///
    /// - Parameters:
    ///   - a: `rows × depth`, or `depth × rows` when transposed, each row `aStride` elements from the last; so `b`
    ///     (`depth × columns`) and `c` (`rows × columns`). No size may be zero.
    ///   - adding: adds the product to what is in `c`.
    /// - Returns: false when oneDNN could not do it, for want of memory; `c` is then undefined, or, with `adding` and a depth
    ///   of no more than `blockDepth`, as it was.
    public static func multiply(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, transposed aTransposed: Bool,
        _ b: UnsafePointer<Float>, _ bStride: Int, transposed bTransposed: Bool,
        _ c: UnsafeMutablePointer<Float>, _ cStride: Int, adding: Bool = false
    ) -> Bool {
        if bTransposed, hasWideVectors, rows &* columns &* depth >= OneDNNMatMul.leastWork,
            let product = OneDNNMatMul.cached(
                .init(
                    rows: rows, columns: columns, depth: depth, aStride: aStride, aTransposed: aTransposed, bStride: bStride,
                    bTransposed: bTransposed))
        {
            return product.run(a, b, c, stride: cStride, adding: adding)
        }
        guard !bTransposed, bStride % 512 == 0, !hasWideVectors else {
            return sgemm(
                rows, columns, depth, a, aStride, aTransposed, b, bStride, bTransposed, c, cStride, adding: adding)
        }
        // oneDNN's kernel for AVX2 reads `b` where it lies. Rows a multiple of two kilobytes apart share a few sets of the
        // cache, and a product takes up to twice the time; copied block by block to where they are not, they cost a tenth
        // of it. A product of few rows is over before the copies are. Either way the sums are taken in the same order.
        // What is added to is done in one go, lest half of it be added when memory runs out.
        let width = adding ? columns : min(columns, 512), stride = width + 16
        let byteCount = 4 * min(depth, blockDepth) * stride
        let block = rows >= 16 && width <= 4096 ? try? HostAllocator.shared.allocate(byteCount) : nil
        defer { if let block { HostAllocator.shared.deallocate(block, byteCount) } }
        let copy = block?.assumingMemoryBound(to: Float.self)
        for column in Swift.stride(from: 0, to: columns, by: width) {
            let count = min(width, columns - column)
            for start in Swift.stride(from: 0, to: depth, by: blockDepth) {
                let length = min(blockDepth, depth - start)
                let source = b + start * bStride + column
                if let copy {
                    for row in 0..<length { (copy + row * stride).update(from: source + row * bStride, count: count) }
                }
                let done = sgemm(
                    rows, count, length, a + start * (aTransposed ? aStride : 1), aStride, aTransposed,
                    copy.map { UnsafePointer($0) } ?? source, copy == nil ? bStride : stride, false, c + column, cStride,
                    adding: adding || start > 0)
                if !done { return false }
            }
        }
        return true
    }

    /// As deep as oneDNN's own blocks for AVX2.
    private static let blockDepth = 256

    /// Whether oneDNN's kernels here are those of AVX-512, which copy both operands themselves and are three times as fast.
    public static let hasWideVectors = dnnl_get_effective_cpu_isa().rawValue & 0x20 != 0

    private static func sgemm(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ aTransposed: Bool,
        _ b: UnsafePointer<Float>, _ bStride: Int, _ bTransposed: Bool, _ c: UnsafeMutablePointer<Float>, _ cStride: Int,
        adding: Bool
    ) -> Bool {
        keepToThisThread()
        let (plain, transposed) = (CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: "T")))
        let status = dnnl_sgemm(
            aTransposed ? transposed : plain, bTransposed ? transposed : plain, Int64(rows), Int64(columns), Int64(depth),
            1, a, Int64(aStride), b, Int64(bStride), adding ? 1 : 0, c, Int64(cStride))
        return status == dnnl_success
    }
}
