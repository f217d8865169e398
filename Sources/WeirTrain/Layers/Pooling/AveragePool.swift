public import WeirGraph
public import WeirOps

/// The mean of each window of sequences. Keras's `AveragePooling1D`. Positions beyond the edges are not counted.
public struct AveragePool1D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "average_pooling1d") {
        pool = Pool(kind: .average, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 1) }
}

/// The mean of each window of images. Keras's `AveragePooling2D`. Positions beyond the edges are not counted.
public struct AveragePool2D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "average_pooling2d") {
        pool = Pool(kind: .average, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 2) }
}

/// The mean of each window of volumes. Keras's `AveragePooling3D`. Positions beyond the edges are not counted.
public struct AveragePool3D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "average_pooling3d") {
        pool = Pool(kind: .average, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 3) }
}
