public import WeirGraph
import WeirOps

/// What is added to the loss for a variable: a factor times the sum of its absolute values, and another times the sum of its squares.
///
/// As in Keras, the sum is not divided by the number of rows or elements.
public struct Regularizer: Sendable, Hashable {
    /// The factor of the absolute values.
    public var l1: Double
    /// The factor of the squares.
    public var l2: Double

    private init(l1: Double, l2: Double) {
        self.l1 = l1
        self.l2 = l2
    }
    /// `factor * sum(|x|)`.
    public static func l1(_ factor: Double = 0.01) -> Regularizer { Regularizer(l1: factor, l2: 0) }
    /// `factor * sum(x²)`.
    public static func l2(_ factor: Double = 0.01) -> Regularizer { Regularizer(l1: 0, l2: factor) }
    /// `l1 * sum(|x|) + l2 * sum(x²)`.
    public static func l1l2(l1: Double = 0, l2: Double = 0) -> Regularizer { Regularizer(l1: l1, l2: l2) }

    /// The scalar for a variable's value.
    public func callAsFunction(_ value: Output) -> Output {
        switch (l1, l2) {
        case (_, 0): value.abs().sum() * l1
        case (0, _): value.square().sum() * l2
        default: value.abs().sum() * l1 + value.square().sum() * l2
        }
    }
}
