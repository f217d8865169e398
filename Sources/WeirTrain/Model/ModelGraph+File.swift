package import WeirGraph
import WeirOps
public import WeirTensor
import WeirWire

extension ModelGraph {
    /// Reads the graph of a model that TensorFlow wrote.
    ///
    /// The file is a `GraphDef` (`.pb`, `.pbtxt`), a `MetaGraphDef` (`.meta`, or text) or a saved model's folder. Only what the
    /// loss, the predictions and the metrics need is taken: gradients and optimizers in the file are not. The variables' initial
    /// values are those that the graph assigns; operations of the collection `update_ops`, such as the moving averages of batch
    /// normalization, run with each training step (`ModelInputs.addUpdate`). Variables of TensorFlow 1 (`VariableV2`) become resource variables.
    ///
    /// ```swift
    /// let model = try ModelGraph(contentsOf: "model.meta", loss: "loss", inputs: ["features": "x", "labels": "y"])
    /// ```
    /// - Parameters:
    ///   - loss: the name of the loss, a scalar: the mean over the rows of a batch. Names are those of tensors, `node:output` or
    ///     `node`, or of outputs of the file's signature.
    ///   - inputs: the placeholders of a batch, by the names under which a data set has them; empty means the inputs of the file's
    ///     signature.
    ///   - predictions: the predictions, with one row for each row of the inputs.
    ///   - metrics: scalars that are shown for held-out rows, by the names under which they are shown. Without any, `accuracy` is
    ///     added if the predictions are logits of classes and there is an input `labels`.
    ///   - trained: the variables to train; nil means the file's collection `trainable_variables` or, without it, all variables of
    ///     a floating type on which the loss depends.
    /// - Throws: `notFound` when the file does not exist, or the graph has no such tensor; `invalidArgument` when the file is not a
    ///   graph, the loss is not a scalar or depends on no variable, or a variable has no initial value or no known shape.
    public init(
        contentsOf path: String, loss: String, inputs: [String: String] = [:], predictions: String? = nil, metrics: [String: String] = [:],
        trained: [String]? = nil
    ) throws(Status) {
        let file = try MetaGraphDefinition(contentsOf: path, variants: OpRegistry.standard.variants)
        do {
            try self.init(file, loss: loss, inputs: inputs, predictions: predictions, metrics: metrics, trained: trained)
        } catch {
            throw Status(error.code, "\(path): \(error.message)")
        }
    }

    /// Takes the graph of a model that was read from a file.
    package init(
        _ file: MetaGraphDefinition, loss: String, inputs: [String: String], predictions: String? = nil, metrics: [String: String] = [:],
        trained: [String]? = nil
    ) throws(Status) {
        let names = TensorNames(file)
        let updateNames = (file.collections["update_ops"] ?? []).map(names.node(of:))
        let lossName = try names.reference(to: loss, as: "the loss")
        let inputNames = try names.references(to: inputs.isEmpty ? names.signatureInputs : inputs, as: "input")
        let predictionName = try predictions.map { name throws(Status) in try names.reference(to: name, as: "the predictions") }
        let metricNames = try names.references(to: metrics, as: "metric")
        let needed = [lossName] + (predictionName.map { [$0] } ?? []) + inputNames.values + metricNames.values
        let pruned = file.graph.pruned(to: needed.map(\.node) + updateNames, registry: .standard)
        var graph = try ReferenceVariableConversion(registry: .standard).run(Graph(pruned, registry: .standard)).topologicallySorted()
        func endpoint(_ reference: InputReference) -> Endpoint { Endpoint(graph.index[reference.node] ?? -1, reference.index) }
        let inputs = inputNames.mapValues(endpoint), predictions = predictionName.map(endpoint)
        let updates = try updateNames.map { name throws(Status) in
            guard let id = graph.index[name] else {
                throw .notFound("The collection 'update_ops' of operations that run with each step has '\(name)', which is no node of the graph")
            }
            return id
        }
        var metrics = metricNames.mapValues(endpoint)
        if metrics.isEmpty, let predictions, let labels = inputs["labels"] {
            let builder = GraphBuilder(extending: graph, registry: .standard)
            metrics["accuracy"] = ModelGraph.accuracy(of: builder.output(at: predictions), labels: builder.output(at: labels))?.endpoint
            graph = try builder.graph()
        }

        let entries = (file.variables ?? []) + (file.trainableVariables ?? [])
        let trainable = file.trainableVariables.map { Set($0.map { names.node(of: $0.name) }) }
        try self.init(
            graph, inputs: inputs, loss: endpoint(lossName), predictions: predictions, metrics: metrics, updates: updates,
            trained: trained?.map(names.node(of:)), trainable: trainable,
            initializers: Dictionary(
                entries.map { (names.node(of: $0.name), names.node(of: $0.initializer)) }, uniquingKeysWith: { first, _ in first }))
    }

    /// The fraction of rows for which the greatest logit is the label's; nil if the outputs are not logits and labels.
    private static func accuracy(of predictions: Output?, labels: Output?) -> Output? {
        guard let predictions, let labels, predictions.shape.rank == 2, predictions.dtype.isFloating, labels.shape.rank == 1,
            [.int32, .int64].contains(labels.dtype)
        else { return nil }
        return predictions.builder.nameScope("metrics") {
            predictions.argMax(axis: 1, outputType: labels.dtype).equal(labels).cast(to: .float32).mean(axes: [0])
        }
    }
}

/// The tensors of a file, which users name.
private struct TensorNames {
    private let nodes: Set<String>
    private let outputs: [String: String]
    /// The inputs of the signature; empty if the file has none, or several.
    let signatureInputs: [String: String]

    init(_ file: MetaGraphDefinition) {
        nodes = Set(file.graph.nodes.map(\.name))
        // TensorFlow's marker of an initialization operation is a signature without inputs.
        let signatures = file.signatures.values.filter { !$0.inputs.isEmpty }
        signatureInputs = signatures.count == 1 ? signatures[0].inputs.mapValues(\.name) : [:]
        outputs = signatures.count == 1 ? signatures[0].outputs.mapValues(\.name) : [:]
    }

    /// The output that a user names.
    /// - Throws: `notFound` with similar names when there is none.
    func reference(to name: String, as use: String) throws(Status) -> InputReference {
        guard let reference = InputReference(name), !reference.isControl else {
            throw .invalidArgument("Expected the name of \(use), 'node' or 'node:output', found '\(name)'")
        }
        if nodes.contains(reference.node) { return reference }
        if let output = outputs[name].flatMap(InputReference.init), nodes.contains(output.node) { return output }
        let near = reference.node.nearest(among: nodes.union(outputs.keys), limit: 5)
        let hint = near.isEmpty ? "" : "; near names are \(near.joined(separator: ", "))"
        throw .notFound("The graph has no node '\(reference.node)' for \(use)\(hint)")
    }

    func references(to named: [String: String], as use: String) throws(Status) -> [String: InputReference] {
        var result: [String: InputReference] = [:]
        for (name, tensor) in named.sorted(by: { $0.key < $1.key }) { result[name] = try reference(to: tensor, as: "\(use) '\(name)'") }
        return result
    }

    /// The node of a tensor's or an operation's name.
    func node(of name: String) -> String { InputReference(name)?.node ?? name }
}
