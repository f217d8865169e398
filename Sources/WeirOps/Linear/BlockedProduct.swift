import WeirKernels
import WeirTensor

/// Computes `c = a · b` for any element type. Works on blocks of `b` that stay in the cache, packed if `b` is transposed or
/// conjugated. Rows of `c` are updated four depth steps at a time, in a loop along the row that the compiler vectorises.
func blockedProduct<E: MatrixElement>(
    _ rows: Int, _ columns: Int, _ depth: Int, _ a: MatrixOperand<E>, _ b: MatrixOperand<E>,
    _ c: UnsafeMutablePointer<E>, stride: Int
) {
    let (depthBlock, columnBlock) = (min(depth, 64), min(columns, 256))
    for row in 0..<rows { (c + row * stride).update(repeating: .zero, count: columns) }
    let copies = b.isTransposed || b.isConjugated
    withUnsafeTemporaryAllocation(of: E.self, capacity: copies ? depthBlock * columnBlock : 1) { buffer in
        guard let packed = buffer.baseAddress else { return }
        for column in Swift.stride(from: 0, to: columns, by: columnBlock) {
            let width = min(columnBlock, columns - column)
            for start in Swift.stride(from: 0, to: depth, by: depthBlock) {
                let length = min(depthBlock, depth - start)
                var block = b.from(row: start, column: column)
                if copies {
                    pack(block, length, width, packed)
                    block = MatrixOperand(base: UnsafePointer(packed), stride: width)
                }
                for row in 0..<rows {
                    updateRow(c + row * stride + column, width, a.from(row: row, column: start), length, block)
                }
            }
        }
    }
}

/// Copies a block of a transposed or conjugated matrix to dense row-major form.
private func pack<E: MatrixElement>(_ block: MatrixOperand<E>, _ rows: Int, _ columns: Int, _ packed: UnsafeMutablePointer<E>) {
    let (rowStep, columnStep) = block.isTransposed ? (1, block.stride) : (block.stride, 1)
    for column in 0..<columns {
        let source = block.base + column * columnStep
        for row in 0..<rows { packed[row &* columns &+ column] = source[row &* rowStep] }
    }
    if block.isConjugated { for index in 0..<rows * columns { packed[index] = E.conjugate(packed[index]) } }
}

/// Adds to a row of the result one row of `a` times a block of `b`.
@inline(__always)
private func updateRow<E: MatrixElement>(
    _ c: UnsafeMutablePointer<E>, _ width: Int, _ a: MatrixOperand<E>, _ length: Int, _ block: MatrixOperand<E>
) {
    let step = a.isTransposed ? a.stride : 1
    func factor(_ index: Int) -> E {
        let value = a.base[index &* step]
        return a.isConjugated ? E.conjugate(value) : value
    }
    var index = 0
    while index + 4 <= length {
        let (x0, x1, x2, x3) = (factor(index), factor(index + 1), factor(index + 2), factor(index + 3))
        let b0 = block.base + index &* block.stride
        let b1 = b0 + block.stride, b2 = b1 + block.stride, b3 = b2 + block.stride
        for column in 0..<width {
            let sum = E.multiplyAdd(E.multiplyAdd(c[column], x0, b0[column]), x1, b1[column])
            c[column] = E.multiplyAdd(E.multiplyAdd(sum, x2, b2[column]), x3, b3[column])
        }
        index += 4
    }
    while index < length {
        let x = factor(index)
        let b = block.base + index &* block.stride
        for column in 0..<width { c[column] = E.multiplyAdd(c[column], x, b[column]) }
        index += 1
    }
}
