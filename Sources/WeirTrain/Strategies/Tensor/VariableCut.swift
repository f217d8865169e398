public import WeirTensor

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

extension VariableCut {
    /// Reads rules for variables by name: `attention/query=columns,head=whole`. A cut is `columns`, `rows`, `whole` or the number of a
    /// dimension.
    /// - Throws: `invalidArgument` when the text is not such a list.
    public static func rules(_ text: String) throws(Status) -> [(String, VariableCut)] {
        var rules: [(String, VariableCut)] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty, let cut = VariableCut(sides[1]) else {
                throw .invalidArgument("Cuts are written like query=columns,head=whole (columns, rows, whole or a dimension); found '\(part)' in '\(text)'")
            }
            rules.append((String(sides[0]), cut))
        }
        return rules
    }

    private init?(_ text: Substring) {
        switch text {
        case "columns": self = .columns
        case "rows": self = .rows
        case "whole": self = .whole
        default:
            guard let dimension = Int(text), dimension >= 0 else { return nil }
            self = .dimension(dimension)
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
