public import WeirGraph

/// A function as a layer. Keras's `Lambda`.
public struct Lambda: Layer {
    /// The layer's name scope.
    public var name: String
    private let function: @Sendable (Output) -> Output
    /// A layer that adds the nodes of a function. The function declares no variables.
    public init(name: String = "lambda", _ function: @escaping @Sendable (Output) -> Output) {
        self.name = name
        self.function = function
    }
    /// Adds the function.
    public func call(_ input: Output, _ context: LayerContext) -> Output { function(input) }
}
