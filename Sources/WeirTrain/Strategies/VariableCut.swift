/// How a variable is cut over the devices that share a model's layers.
///
/// Two dense layers that follow each other move the fewest bytes if the first is cut by columns and the second by rows. A strategy
/// finds this itself; a rule is for what it should not decide.
public enum VariableCut: Sendable, Hashable {
    /// By the last dimension: the outputs of a dense layer or a convolution, the width of an embedding. Each device computes some of
    /// the outputs.
    case columns
    /// By the last but one dimension: the inputs of a dense layer or a convolution, the words of an embedding. Each device computes a
    /// part of the sum for every output. A vector, such as the biases of the layer, is whole.
    case rows
    /// By this dimension, counted from 0.
    case dimension(Int)
    /// Not at all: the first device has it.
    case whole

    /// The dimension that is cut in a variable of this rank; nil if none is.
    func dimension(rank: Int) -> Int? {
        switch self {
        case .columns: rank > 0 ? rank - 1 : nil
        case .rows: rank > 1 ? rank - 2 : nil
        case .dimension(let dimension): dimension
        case .whole: nil
        }
    }
}

extension VariableCut: CustomStringConvertible {
    /// `columns`, `rows`, `dimension 2` or `whole`.
    public var description: String {
        switch self {
        case .columns: "columns"
        case .rows: "rows"
        case .dimension(let dimension): "dimension \(dimension)"
        case .whole: "whole"
        }
    }
}
