public import WeirGraph
import WeirOps

/// Two copies of a recurrent layer, of which one goes through the sequence backwards. Schuster and Paliwal, *Bidirectional Recurrent Neural
/// Networks*, 1997. Keras's `Bidirectional`.
///
/// The copies' scopes are `forward_` and `backward_` with the layer's name.
public struct Bidirectional: Layer {
    /// How the outputs of both directions become one.
    public enum Merge: Sendable {
        /// Side by side, along the last dimension.
        case concatenation
        /// Their sum.
        case sum
        /// Their product.
        case product
        /// Their mean.
        case average
    }
    /// The layer.
    public var layer: any RecurrentLayer
    /// How the outputs of both directions become one.
    public var merge: Merge
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(_ layer: any RecurrentLayer, merge: Merge = .concatenation, name: String = "bidirectional") {
        self.layer = layer
        self.merge = merge
        self.name = name
    }

    /// Adds both directions. Of the last steps, one is the sequence's first.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        var forward = layer, backward = layer
        forward.name = "forward_\(layer.name)"
        backward.name = "backward_\(layer.name)"
        backward.goesBackwards.toggle()
        let first = forward(input, context)
        var second = backward(input, context)
        if layer.returnsSequences { second = second.reversed(axes: [1]) }
        switch merge {
        case .concatenation: return first.concatenated(with: second, axis: -1)
        case .sum: return first + second
        case .product: return first * second
        case .average: return (first + second) * 0.5
        }
    }
}
