package import WeirTensor

/// A graph with what the program that made it knows of it. TensorFlow's `MetaGraphDef`.
package struct MetaGraphDefinition: Sendable {
    /// The graph.
    package var graph: GraphDefinition
    /// What the graph is for: `serve`, `train`…
    package var tags: [String] = []
    /// Named lists of tensors and operations: `update_ops`, `losses`, `train_op`…
    package var collections: [String: [String]] = [:]
    /// All variables, in order; nil if the file does not list them.
    package var variables: [VariableEntry]?
    /// The variables to train, in order; nil if the file does not list them.
    package var trainableVariables: [VariableEntry]?
    /// Named inputs and outputs.
    package var signatures: [String: Signature] = [:]
    /// What saves and restores the variables; nil if nothing does.
    package var saver: SaverEntry?
    /// Files that the initialization reads, of the folder `assets` of a saved model.
    package var assets: [AssetEntry] = []

    /// A graph of which nothing else is known.
    package init(graph: GraphDefinition) { self.graph = graph }

    /// A variable, by the names of its tensor, of the operation that assigns its initial value and of the tensor with its value.
    package struct VariableEntry: Sendable {
        package var name: String
        package var initializer: String
        package var snapshot: String
        package init(name: String, initializer: String, snapshot: String = "") {
            self.name = name
            self.initializer = initializer
            self.snapshot = snapshot
        }
    }

    /// A tensor of a signature. TensorFlow's `TensorInfo`.
    package struct TensorEntry: Sendable, Hashable {
        /// `node:output`; empty for a tensor that consists of several, such as a sparse one.
        package var name: String
        /// Nil if it is not known.
        package var dtype: DType?
        package var shape: PartialShape
        package init(name: String, dtype: DType?, shape: PartialShape) {
            self.name = name
            self.dtype = dtype
            self.shape = shape
        }
    }

    /// The tensors of a signature's inputs and outputs, by their names in it. TensorFlow's `SignatureDef`.
    package struct Signature: Sendable, Hashable {
        package var inputs: [String: TensorEntry]
        package var outputs: [String: TensorEntry]
        /// What a server does with it: `tensorflow/serving/predict`.
        package var method: String
        package init(inputs: [String: TensorEntry], outputs: [String: TensorEntry], method: String = Signature.predict) {
            self.inputs = inputs
            self.outputs = outputs
            self.method = method
        }

        /// The method of signatures that compute outputs from inputs.
        package static let predict = "tensorflow/serving/predict"
    }

    /// The names of a saver's nodes. TensorFlow's `SaverDef`.
    package struct SaverEntry: Sendable, Hashable {
        /// The tensor to feed with a checkpoint's path.
        package var fileName: String
        /// The tensor to fetch in order to save.
        package var save: String
        /// The operation that restores.
        package var restore: String
        package init(fileName: String, save: String, restore: String) {
            self.fileName = fileName
            self.save = save
            self.restore = restore
        }
    }

    /// A file, and the tensor that is fed with its path. TensorFlow's `AssetFileDef`.
    package struct AssetEntry: Sendable, Hashable {
        package var tensor: String
        package var fileName: String
        package init(tensor: String, fileName: String) {
            self.tensor = tensor
            self.fileName = fileName
        }
    }

    /// The name of the signature whose output is the operation to run after the variables are restored.
    package static let initializationSignature = "__saved_model_init_op"

    /// The operation to run after the variables are restored: initializes tables; nil if there is none.
    package var initialization: String? {
        signatures[MetaGraphDefinition.initializationSignature]?.outputs.values.first?.name
            ?? collections["saved_model_main_op"]?.first ?? collections["legacy_init_op"]?.first
    }
}
