/// A variable that an optimizer keeps for each trained variable, and of its shape: a momentum, an accumulator. TensorFlow's slots.
public struct OptimizerSlot: Sendable, Hashable {
    /// What a slot begins with.
    public enum Initial: Sendable, Hashable {
        /// The same number in each element.
        case number(Double)
        /// The initial value of the trained variable.
        case variable
    }

    /// The name, which follows the trained variable's: `weights/Momentum`.
    public var name: String
    /// What the slot begins with.
    public var initial: Initial

    /// A slot that is filled with a number.
    public init(_ name: String, _ initial: Double) { self.init(name, .number(initial)) }
    /// A slot.
    public init(_ name: String, _ initial: Initial) {
        self.name = name
        self.initial = initial
    }
}
