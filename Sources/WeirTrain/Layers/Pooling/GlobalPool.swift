public import WeirGraph
import WeirOps

/// The mean over all positions: `[rows, …, channels]` becomes `[rows, channels]`. Keras's `GlobalAveragePooling1D`, `2D` and `3D`. Lin et
/// al., *Network In Network*, 2014.
public struct GlobalAveragePool: Layer {
    /// Whether the dimensions of positions stay, with size 1.
    public var keepsDimensions: Bool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(keepsDimensions: Bool = false, name: String = "global_average_pooling") {
        self.keepsDimensions = keepsDimensions
        self.name = name
    }
    /// Adds the layer. Records an error if the input has no positions.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let axes = context.positions(of: input) else { return input }
        return input.mean(axes: axes, keepDimensions: keepsDimensions)
    }
}

/// The greatest element over all positions: `[rows, …, channels]` becomes `[rows, channels]`. Keras's `GlobalMaxPooling1D`, `2D` and `3D`.
public struct GlobalMaxPool: Layer {
    /// Whether the dimensions of positions stay, with size 1.
    public var keepsDimensions: Bool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(keepsDimensions: Bool = false, name: String = "global_max_pooling") {
        self.keepsDimensions = keepsDimensions
        self.name = name
    }
    /// Adds the layer. Records an error if the input has no positions.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let axes = context.positions(of: input) else { return input }
        return input.max(axes: axes, keepDimensions: keepsDimensions)
    }
}

extension LayerContext {
    /// The dimensions between the rows and the channels; nil, with an error, if there are none.
    fileprivate func positions(of input: Output) -> [Int]? {
        if let rank = input.shape.rank, rank > 2 { return Array(1..<rank - 1) }
        _ = failing("expected an input of shape [rows, …, channels] with at least three dimensions, found \(input.shape)")
        return nil
    }
}
