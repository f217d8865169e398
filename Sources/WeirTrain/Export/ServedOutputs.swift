public import WeirGraph

/// The outputs of a graph that are to become a signature of a saved model, by their names for users.
public struct ServedOutputs: Sendable {
    /// What is fed, usually placeholders.
    public var inputs: [String: Output]
    /// What the model computes.
    public var outputs: [String: Output]

    /// Describes a signature by outputs of a graph.
    public init(inputs: [String: Output], outputs: [String: Output]) {
        self.inputs = inputs
        self.outputs = outputs
    }

    var signature: ModelSignature {
        func tensors(_ outputs: [String: Output]) -> [String: ModelSignature.TensorInfo] {
            outputs.mapValues { ModelSignature.TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
        }
        return ModelSignature(inputs: tensors(inputs), outputs: tensors(outputs))
    }
}
