import WeirDevice
import WeirKernels
import WeirTensor

/// A matrix in memory as an operand of a product. Rows and columns are those of the operand after transposition.
struct MatrixOperand<E> {
    var base: UnsafePointer<E>
    /// The number of elements from one stored row to the next.
    var stride: Int
    /// Whether the stored matrix is the transpose of the operand.
    var isTransposed = false
    /// Whether the elements must be conjugated.
    var isConjugated = false

    /// Returns the submatrix that starts at a row and column of the operand.
    func from(row: Int, column: Int) -> MatrixOperand {
        var part = self
        part.base += isTransposed ? column * stride + row : row * stride + column
        return part
    }
}

/// An element type of matrix products.
protocol MatrixElement: NumericElement {
    /// Returns `sum + a · b`.
    static func multiplyAdd(_ sum: Self, _ a: Self, _ b: Self) -> Self
    static func conjugate(_ value: Self) -> Self
    /// Computes `c = a · b` on this thread. `c` is row-major with `stride` elements per row. All sizes must be positive.
    static func multiply(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: MatrixOperand<Self>, _ b: MatrixOperand<Self>,
        _ c: UnsafeMutablePointer<Self>, stride: Int)
}

extension MatrixElement {
    static func conjugate(_ value: Self) -> Self { value }
    static func multiply(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: MatrixOperand<Self>, _ b: MatrixOperand<Self>,
        _ c: UnsafeMutablePointer<Self>, stride: Int
    ) {
        blockedProduct(rows, columns, depth, a, b, c, stride: stride)
    }
}

extension FixedWidthInteger {
    static func multiplyAdd(_ sum: Self, _ a: Self, _ b: Self) -> Self { sum &+ a &* b }
}
extension UInt8: MatrixElement {}
extension UInt16: MatrixElement {}
extension UInt32: MatrixElement {}
extension UInt64: MatrixElement {}
extension Double: MatrixElement {
    static func multiplyAdd(_ sum: Double, _ a: Double, _ b: Double) -> Double { sum.addingProduct(a, b) }
}
extension Complex: MatrixElement where Part: ComplexPart {
    static func multiplyAdd(_ sum: Self, _ a: Self, _ b: Self) -> Self {
        Self(
            sum.real.addingProduct(a.real, b.real).addingProduct(-a.imaginary, b.imaginary),
            sum.imaginary.addingProduct(a.real, b.imaginary).addingProduct(a.imaginary, b.real))
    }
    static func conjugate(_ value: Self) -> Self { value.conjugate }
}
extension Float: MatrixElement {
    static func multiplyAdd(_ sum: Float, _ a: Float, _ b: Float) -> Float { sum.addingProduct(a, b) }
    static func multiply(
        _ rows: Int, _ columns: Int, _ depth: Int, _ a: MatrixOperand<Float>, _ b: MatrixOperand<Float>,
        _ c: UnsafeMutablePointer<Float>, stride: Int
    ) {
        if isSmallProduct(rows, columns, depth) {
            return smallProduct(rows, columns, depth, a, b, c, stride: stride, IdentityEpilogue())
        }
        let done = OneDNN.multiply(
            rows, columns, depth, a.base, a.stride, transposed: a.isTransposed, b.base, b.stride,
            transposed: b.isTransposed, c, stride)
        if !done { blockedProduct(rows, columns, depth, a, b, c, stride: stride) }
    }
    /// Whether the product is so small that a oneDNN call would cost more than computing it here.
    @inline(__always)
    static func isSmallProduct(_ rows: Int, _ columns: Int, _ depth: Int) -> Bool {
        max(rows, columns, depth) <= 8192 && rows &* columns &* depth <= 16384
    }
}
