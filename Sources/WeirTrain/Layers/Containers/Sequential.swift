public import WeirGraph
import WeirOps

/// Layers one after another. Keras's `Sequential`.
///
/// ```swift
/// let network = Sequential {
///     Dense(64, activation: .relu)
///     Dropout(0.5)
///     Dense(10)
/// }
/// let logits = network(inputs["features"], inputs.layers(seed: 1))
/// ```
public struct Sequential: Layer {
    /// The layers, in order.
    public var layers: [any Layer]
    /// The name scope of all layers; empty, as it is by default, for none.
    public var name: String

    /// Layers in order.
    public init(_ layers: [any Layer], name: String = "") {
        self.layers = layers
        self.name = name
    }
    /// Layers in order, one a line.
    public init(name: String = "", @LayerList _ layers: () -> [any Layer]) { self.init(layers(), name: name) }

    /// Applies each layer to the output of the one before.
    public func call(_ input: Output, _ context: LayerContext) -> Output { layers.reduce(input) { $1($0, context) } }
}

/// Layers and the layer's input, added: `x + f(x)`. He et al., *Deep Residual Learning for Image Recognition*, 2016.
public struct Residual: Layer {
    /// The layers of the function, in order.
    public var layers: [any Layer]
    /// What is added to the function in place of the input, for example a projection to another number of channels; nil for the input.
    public var shortcut: (any Layer)?
    /// What is applied to the sum.
    public var activation: Activation
    /// The name scope of all layers.
    public var name: String

    /// Layers in order, one a line, with the input added to their output.
    public init(shortcut: (any Layer)? = nil, activation: Activation = .linear, name: String = "residual", @LayerList _ layers: () -> [any Layer]) {
        self.layers = layers()
        self.shortcut = shortcut
        self.activation = activation
        self.name = name
    }

    /// Adds the layers and the sum. Records an error if the shapes differ.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        let value = layers.reduce(input) { $1($0, context) }
        let rest = shortcut.map { $0(input, context) } ?? input
        guard value.shape.isCompatible(with: rest.shape) else {
            return context.failing("the layers make \(value.shape) of \(input.shape), and what is added to it has the shape \(rest.shape)")
        }
        return activation(value + rest)
    }
}

/// Collects the layers of a `Sequential`, which are written one a line; `if`, `for` and arrays of layers may be among them.
@resultBuilder public enum LayerList {
    /// One layer.
    public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
    /// Several layers.
    public static func buildExpression(_ layers: [any Layer]) -> [any Layer] { layers }
    /// All lines.
    public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
    /// The layers of a loop.
    public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
    /// Layers that may be missing.
    public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
    /// The first alternative.
    public static func buildEither(first part: [any Layer]) -> [any Layer] { part }
    /// The second alternative.
    public static func buildEither(second part: [any Layer]) -> [any Layer] { part }
}
