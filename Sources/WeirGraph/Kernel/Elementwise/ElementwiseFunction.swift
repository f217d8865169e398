/// Which operand of a binary loop is a single element that is used for all elements of the other.
public enum ScalarOperand: Sendable { case both, leftScalar, rightScalar }

/// The function of an elementwise op on `float32` buffers. `ElementwiseFusion` uses it to fuse several ops into one node.
///
/// The result buffer may be the buffer of an operand of the same size.
public struct ElementwiseFunction: Sendable {
    /// Computes `count` elements of `out` from those of `x`.
    public typealias Unary = @Sendable (_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) -> Void
    /// Computes `count` elements of `out` from those of `x` and `y`. `step` says which operand is a single element.
    public typealias Binary =
        @Sendable (
            _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ step: ScalarOperand
        ) -> Void

    /// The loop, for one operand or for two.
    public enum Body: Sendable {
        case unary(Unary)
        case binary(Binary)
    }
    /// The shapes that the operands may have.
    public enum Operands: Sendable {
        /// They are broadcast against each other.
        case broadcast
        /// All have the same shape.
        case same
        /// The second is a vector along the last dimension of the first.
        case bias
    }
    /// The loop over the elements.
    public let body: Body
    /// The shapes that the operands may have.
    public let operands: Operands
    /// Whether the cost of an element is that of an exponential function, rather than that of an addition.
    public let isExpensive: Bool

    /// A function of one operand.
    public static func unary(isExpensive: Bool = false, _ body: @escaping Unary) -> ElementwiseFunction {
        ElementwiseFunction(body: .unary(body), operands: .same, isExpensive: isExpensive)
    }
    /// A function of two operands. If an op has more, the function is applied from left to right: to the first two, then to the
    /// result and the third, and so on.
    public static func binary(
        _ operands: Operands = .broadcast, isExpensive: Bool = false, _ body: @escaping Binary
    ) -> ElementwiseFunction {
        ElementwiseFunction(body: .binary(body), operands: operands, isExpensive: isExpensive)
    }
}
