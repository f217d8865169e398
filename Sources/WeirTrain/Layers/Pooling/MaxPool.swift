public import WeirGraph
public import WeirOps

/// The greatest element of each window of sequences. Keras's `MaxPooling1D`.
public struct MaxPool1D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "max_pooling1d") {
        pool = Pool(kind: .max, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 1) }
}

/// The greatest element of each window of images. Keras's `MaxPooling2D`.
public struct MaxPool2D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "max_pooling2d") {
        pool = Pool(kind: .max, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 2) }
}

/// The greatest element of each window of volumes. Keras's `MaxPooling3D`. Not for `float64`, as in TensorFlow.
public struct MaxPool3D: Layer {
    private var pool: Pool
    /// The layer's name scope.
    public var name: String
    /// Describes a layer. Without `strides`, windows lie side by side.
    public init(_ size: SpatialSize = 2, strides: SpatialSize? = nil, padding: Padding = .valid, name: String = "max_pooling3d") {
        pool = Pool(kind: .max, size: size, strides: strides, padding: padding)
        self.name = name
    }
    /// Adds the layer. Records an error if the input has another rank.
    public func call(_ input: Output, _ context: LayerContext) -> Output { pool.call(input, context, rank: 3) }
}
