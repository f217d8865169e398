/// Which operands of a loop over two are one element that serves for all.
public enum BinaryStep: Sendable { case both, leftScalar, rightScalar }

/// What an elementwise op does to whole buffers of floats: for passes that make one node of several.
///
/// A result may take the place of an operand of the same size.
public struct ElementwiseFunction: Sendable {
    public typealias Unary = @Sendable (_ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int) -> Void
    public typealias Binary =
        @Sendable (
            _ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ step: BinaryStep
        ) -> Void

    public enum Body: Sendable {
        case unary(Unary)
        case binary(Binary)
    }
    /// What shapes operands may have.
    public enum Operands: Sendable {
        /// They are broadcast against each other.
        case broadcast
        /// They all have one shape.
        case same
        /// The second is a vector along the last dimension of the first.
        case bias
    }
    public let body: Body
    public let operands: Operands
    /// Whether an element takes about as long as an exponential function does, not an addition.
    public let isExpensive: Bool

    public static func unary(isExpensive: Bool = false, _ body: @escaping Unary) -> ElementwiseFunction {
        ElementwiseFunction(body: .unary(body), operands: .same, isExpensive: isExpensive)
    }
    /// Of more than two operands it is applied to the first two, then to that and the third, and so on.
    public static func binary(
        _ operands: Operands = .broadcast, isExpensive: Bool = false, _ body: @escaping Binary
    ) -> ElementwiseFunction {
        ElementwiseFunction(body: .binary(body), operands: operands, isExpensive: isExpensive)
    }
}
