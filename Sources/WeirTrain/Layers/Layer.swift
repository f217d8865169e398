public import WeirGraph

/// A layer of a network: a value that says what variables it has and what it computes. Applied to an output, it adds both to the graph.
///
/// ```swift
/// func predictions(_ inputs: ModelInputs) -> Output {
///     let layers = inputs.layers(seed: 1)
///     let hidden = Dense(64, activation: .relu, name: "hidden")(inputs["features"], layers)
///     return Dense(10, name: "output")(hidden, layers)
/// }
/// ```
/// Sizes follow from the shape of what a layer is applied to. A layer has no state of its own: applied twice, it has variables twice.
/// Layers, their variables and their defaults are named as in Keras.
public protocol Layer: Sendable {
    /// The name scope of the layer's variables and nodes. Of several layers with one name in a scope, the later ones have a number. An
    /// empty name opens no scope.
    var name: String { get set }
    /// Adds the layer's variables and nodes, in the current name scope, and returns its output. To apply a layer, call it as a function:
    /// that opens its scope.
    func call(_ input: Output, _ context: LayerContext) -> Output
}

extension Layer {
    /// Adds the layer to the graph, in a name scope of its name. Records an error, with the layer's name, if the input has another shape
    /// than the layer needs.
    public func callAsFunction(_ input: Output, _ context: LayerContext) -> Output {
        context.scope(name) { call(input, context) }
    }
}

/// Whether a graph is built to train a model or to use it. A layer such as `Dropout` computes something else in each.
public enum LayerMode: Sendable {
    /// The loss is computed, of which gradients are taken.
    case training
    /// Predictions and metrics are computed.
    case inference
}
