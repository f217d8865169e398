import WeirKernels
import WeirTensor

private typealias Lanes = SIMD16<Float>
private typealias Sums = (Lanes, Lanes, Lanes, Lanes)

/// Computes `c = a · b` of floats for products so small that a library call would cost more. Works on panels of 16 columns and
/// four rows at a time in registers, and applies the finish there.
func smallProduct<F: ProductEpilogue>(
    _ rows: Int, _ columns: Int, _ depth: Int, _ a: MatrixOperand<Float>, _ b: MatrixOperand<Float>,
    _ c: UnsafeMutablePointer<Float>, stride: Int, _ finish: F
) {
    let (rowStep, depthStep) = a.isTransposed ? (1, a.stride) : (a.stride, 1)
    // A row times a transposed matrix is a dot product for each column; nothing is packed.
    if rows == 1, b.isTransposed, depthStep == 1 {
        for column in 0..<columns { c[column] = dotProduct(a.base, b.base + column * b.stride, depth) }
        return finish.run(c, 1, columns, stride: stride, column: 0)
    }
    // Rows of `b` are read in place, 16 columns at a time. Reads beyond a row's end are harmless, because those lanes are not
    // stored. Only the last rows, whose reads would go beyond the matrix, are packed; a transposed matrix is packed as a whole.
    let lastColumns = columns & 15
    let copied = b.isTransposed ? depth : lastColumns == 0 ? 0 : min(depth, (16 - lastColumns + b.stride - 1) / b.stride)
    withPanel(copied) { panel in
        for column in Swift.stride(from: 0, to: columns, by: 16) {
            let width = min(16, columns &- column)
            let tail = b.isTransposed || width < 16 ? copied : 0
            if tail > 0 { pack(b.from(row: depth &- tail, column: column), tail, width, panel) }
            let head = depth &- tail
            let source = b.base + column
            let prepared = finish.prepare(column, width)
            var (row, left, target) = (0, a.base, c + column)
            while row &+ 4 <= rows {
                var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
                fourRows(&sums, head, left, rowStep, depthStep, source, b.stride)
                fourRows(&sums, tail, left + head &* depthStep, rowStep, depthStep, panel, 16)
                store(finish.apply(sums.0, prepared), target, width)
                store(finish.apply(sums.1, prepared), target + stride, width)
                store(finish.apply(sums.2, prepared), target + 2 &* stride, width)
                store(finish.apply(sums.3, prepared), target + 3 &* stride, width)
                row &+= 4
                left += 4 &* rowStep
                target += 4 &* stride
            }
            while row < rows {
                var sum = Lanes.zero
                oneRow(&sum, head, left, depthStep, source, b.stride)
                oneRow(&sum, tail, left + head &* depthStep, depthStep, panel, 16)
                store(finish.apply(sum, prepared), target, width)
                row &+= 1
                left += rowStep
                target += stride
            }
        }
    }
}

/// Calls `body` with memory for `depth` rows of 16 columns; on the stack if it is small.
@inline(__always)
private func withPanel(_ depth: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    if depth <= 16 {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { body($0.start) }
    } else {
        HostAllocator.shared.withScratch(64 &* depth) { body($0.assumingMemoryBound(to: Float.self)) }
    }
}

/// Packs up to 16 columns as rows of 16 elements, padded with zeros.
private func pack(_ b: MatrixOperand<Float>, _ depth: Int, _ width: Int, _ packed: UnsafeMutablePointer<Float>) {
    if width < 16 {
        for index in 0..<depth { UnsafeMutableRawPointer(packed + index &* 16).storeBytes(of: Lanes.zero, as: Lanes.self) }
    }
    if b.isTransposed {
        for column in 0..<width {
            let source = b.base + column &* b.stride
            for index in 0..<depth { packed[index &* 16 &+ column] = source[index] }
        }
    } else {
        for index in 0..<depth {
            let source = b.base + index &* b.stride, target = packed + index &* 16
            for column in 0..<width { target[column] = source[column] }
        }
    }
}

@inline(__always)
private func fourRows(
    _ sums: inout Sums, _ depth: Int, _ a: UnsafePointer<Float>, _ rowStep: Int, _ depthStep: Int,
    _ panel: UnsafePointer<Float>, _ stride: Int
) {
    var (a, panel) = (a, UnsafeRawPointer(panel))
    for _ in 0..<depth {
        let b = panel.loadUnaligned(as: Lanes.self)
        sums.0 = sums.0.addingProduct(Lanes(repeating: a[0]), b)
        sums.1 = sums.1.addingProduct(Lanes(repeating: a[rowStep]), b)
        sums.2 = sums.2.addingProduct(Lanes(repeating: a[2 &* rowStep]), b)
        sums.3 = sums.3.addingProduct(Lanes(repeating: a[3 &* rowStep]), b)
        a += depthStep
        panel += 4 &* stride
    }
}

@inline(__always)
private func oneRow(
    _ sum: inout Lanes, _ depth: Int, _ a: UnsafePointer<Float>, _ depthStep: Int, _ panel: UnsafePointer<Float>, _ stride: Int
) {
    var (a, panel) = (a, UnsafeRawPointer(panel))
    for _ in 0..<depth {
        sum = sum.addingProduct(Lanes(repeating: a[0]), panel.loadUnaligned(as: Lanes.self))
        a += depthStep
        panel += 4 &* stride
    }
}

@inline(__always)
private func store(_ sum: Lanes, _ target: UnsafeMutablePointer<Float>, _ width: Int) { sum.store(target, width) }

extension SIMD16<Float> {
    /// Stores the first `width` lanes by halves, since a `memcpy` call for each row would cost more than the row.
    @inline(__always)
    func store(_ target: UnsafeMutablePointer<Float>, _ width: Int) {
        var (target, width) = (UnsafeMutableRawPointer(target), width)
        guard width < 16 else { return target.storeBytes(of: self, as: SIMD16<Float>.self) }
        var half = lowHalf
        if width >= 8 {
            target.storeBytes(of: half, as: SIMD8<Float>.self)
            (target, half, width) = (target + 32, highHalf, width &- 8)
        }
        var quarter = half.lowHalf
        if width >= 4 {
            target.storeBytes(of: quarter, as: SIMD4<Float>.self)
            (target, quarter, width) = (target + 16, half.highHalf, width &- 4)
        }
        var pair = quarter.lowHalf
        if width >= 2 {
            target.storeBytes(of: pair, as: SIMD2<Float>.self)
            (target, pair, width) = (target + 8, quarter.highHalf, width &- 2)
        }
        if width == 1 { target.storeBytes(of: pair.x, as: Float.self) }
    }

    /// Loads `width` lanes; the rest are zero.
    @inline(__always)
    init(_ source: UnsafePointer<Float>, _ width: Int) {
        var (source, width) = (UnsafeRawPointer(source), width)
        guard width < 16 else {
            self = source.loadUnaligned(as: SIMD16<Float>.self)
            return
        }
        var (low, high) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        let isLong = width >= 8
        if isLong {
            low = source.loadUnaligned(as: SIMD8<Float>.self)
            (source, width) = (source + 32, width &- 8)
        }
        var rest = SIMD8<Float>.zero
        var quarter = SIMD4<Float>.zero
        let isHalf = width >= 4
        if isHalf {
            rest.lowHalf = source.loadUnaligned(as: SIMD4<Float>.self)
            (source, width) = (source + 16, width &- 4)
        }
        let isPair = width >= 2
        if isPair {
            quarter.lowHalf = source.loadUnaligned(as: SIMD2<Float>.self)
            (source, width) = (source + 8, width &- 2)
        }
        if width == 1 {
            let last = source.loadUnaligned(as: Float.self)
            if isPair { quarter.z = last } else { quarter.x = last }
        }
        if isHalf { rest.highHalf = quarter } else { rest.lowHalf = quarter }
        if isLong { high = rest } else { low = rest }
        self.init(lowHalf: low, highHalf: high)
    }
}

private func dotProduct(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int) -> Float {
    var (sum, index) = (Lanes.zero, 0)
    while index + 16 <= count {
        sum = sum.addingProduct(
            UnsafeRawPointer(x + index).loadUnaligned(as: Lanes.self), UnsafeRawPointer(y + index).loadUnaligned(as: Lanes.self))
        index += 16
    }
    var total = sum.sum()
    while index < count {
        total = total.addingProduct(x[index], y[index])
        index += 1
    }
    return total
}
