/// A graph with what the program that made it knows of it. TensorFlow's `MetaGraphDef`.
package struct MetaGraphDefinition: Sendable {
    /// The graph.
    package var graph: GraphDefinition
    /// Named lists of tensors and operations: `update_ops`, `losses`, `train_op`…
    package var collections: [String: [String]] = [:]
    /// All variables, in order; nil if the file does not list them.
    package var variables: [VariableEntry]?
    /// The variables to train, in order; nil if the file does not list them.
    package var trainableVariables: [VariableEntry]?
    /// Named inputs and outputs.
    package var signatures: [String: Signature] = [:]

    /// A graph of which nothing else is known.
    package init(graph: GraphDefinition) { self.graph = graph }

    /// A variable, by the names of its tensor and of the operation that assigns its initial value.
    package struct VariableEntry: Sendable {
        package var name: String
        package var initializer: String
        package init(name: String, initializer: String) {
            self.name = name
            self.initializer = initializer
        }
    }

    /// The tensors of a signature's inputs and outputs, by their names in it.
    package struct Signature: Sendable {
        package var inputs: [String: String]
        package var outputs: [String: String]
        package init(inputs: [String: String], outputs: [String: String]) {
            self.inputs = inputs
            self.outputs = outputs
        }
    }
}
