import COneDNN
import WeirTensor

extension OneDNN {
    /// Computes `c = op(a) · op(b)`, where `op` transposes if so requested. All matrices are row-major.
    ///
    /// - Parameters:
    ///   - a: `rows × depth`, or `depth × rows` when transposed, with `aStride` elements from row to row. Likewise `b`
    ///     (`depth × columns`) and `c` (`rows × columns`). No size may be zero.
    ///   - adding: adds the product to `c`.
    /// - Returns: false when memory ran out. Then `c` is undefined or, with `adding` and a depth of at most `blockDepth`,
    ///   unchanged.
    package static func multiply(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, transposed aTransposed: Bool,
        _ b: UnsafePointer<Float>, _ bStride: Int, transposed bTransposed: Bool,
        _ c: UnsafeMutablePointer<Float>, _ cStride: Int, adding: Bool = false
    ) -> Bool {
        if bTransposed, usesAVX512, rows &* columns &* depth >= OneDNNMatMul.leastWork,
            let product = OneDNNMatMul.cached(
                .init(
                    rows: rows, columns: columns, depth: depth, aStride: aStride, aTransposed: aTransposed, bStride: bStride,
                    bTransposed: bTransposed))
        {
            return product.run(a, b, c, stride: cStride, adding: adding)
        }
        guard !bTransposed, bStride % 512 == 0, !usesAVX512 else {
            return sgemm(
                rows, columns, depth, a, aStride, aTransposed, b, bStride, bTransposed, c, cStride, adding: adding)
        }
        // oneDNN's kernel for AVX2 reads `b` in place. Rows a multiple of 2 KB apart share a few sets of the processor's cache,
        // and the product takes up to twice as long. Copying `b` block by block to another stride costs a tenth of the time. For
        // few rows the copy costs more than it saves. The order of summation is the same with and without the copy. With
        // `adding`, all columns are done in one block, so that half of `c` is not added to when memory runs out.
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

    /// The depth of oneDNN's own blocks for AVX2.
    private static let blockDepth = 256

    /// Whether oneDNN uses its kernels for AVX-512. They copy both operands themselves and are three times as fast.
    package static let usesAVX512 = dnnl_get_effective_cpu_isa().rawValue & 0x20 != 0

    private static func sgemm(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int, _ aTransposed: Bool,
        _ b: UnsafePointer<Float>, _ bStride: Int, _ bTransposed: Bool, _ c: UnsafeMutablePointer<Float>, _ cStride: Int,
        adding: Bool
    ) -> Bool {
        limitToCallingThread()
        let (plain, transposed) = (CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: "T")))
        let status = dnnl_sgemm(
            aTransposed ? transposed : plain, bTransposed ? transposed : plain, Int64(rows), Int64(columns), Int64(depth),
            1, a, Int64(aStride), b, Int64(bStride), adding ? 1 : 0, c, Int64(cStride))
        return status == dnnl_success
    }
}
