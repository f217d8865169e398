import WeirGraph
public import WeirTensor

/// Named inputs and outputs of a saved model. TensorFlow's `SignatureDef`.
public struct ModelSignature: Sendable, Hashable {
    /// The signature that a server takes if a request names none: `serving_default`.
    public static let defaultName = "serving_default"

    /// A tensor of the model's graph.
    public struct TensorInfo: Sendable, Hashable {
        /// Its name in the graph: `node:output`.
        public var name: String
        /// The element type; nil if the file does not tell.
        public var dtype: DType?
        /// The shape, as far as it is known. Nil for the first dimension usually means the rows.
        public var shape: PartialShape
        /// Describes a tensor.
        public init(name: String, dtype: DType?, shape: PartialShape) {
            self.name = name
            self.dtype = dtype
            self.shape = shape
        }
    }

    /// The tensors to feed, by their names for users.
    public var inputs: [String: TensorInfo]
    /// The tensors that the model computes, by their names for users.
    public var outputs: [String: TensorInfo]

    /// Describes a signature.
    public init(inputs: [String: TensorInfo], outputs: [String: TensorInfo]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

extension ModelSignature: CustomStringConvertible {
    /// Inputs and outputs with their types: `(features: float [?,4]) -> (classes: int32 [?])`.
    public var description: String {
        func list(_ tensors: [String: TensorInfo]) -> String {
            "(" + tensors.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + ")"
        }
        return "\(list(inputs)) -> \(list(outputs))"
    }
}

extension ModelSignature.TensorInfo: CustomStringConvertible {
    /// The type and the shape: `float [?,4]`.
    public var description: String { "\(dtype.map { "\($0) " } ?? "")\(shape)" }
}

extension ModelSignature {
    init(_ entry: MetaGraphDefinition.Signature) {
        func tensors(_ entries: [String: MetaGraphDefinition.TensorEntry]) -> [String: TensorInfo] {
            entries.mapValues { TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
        }
        self.init(inputs: tensors(entry.inputs), outputs: tensors(entry.outputs))
    }

    var entry: MetaGraphDefinition.Signature {
        func entries(_ tensors: [String: TensorInfo]) -> [String: MetaGraphDefinition.TensorEntry] {
            tensors.mapValues { MetaGraphDefinition.TensorEntry(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
        }
        return MetaGraphDefinition.Signature(inputs: entries(inputs), outputs: entries(outputs))
    }
}
