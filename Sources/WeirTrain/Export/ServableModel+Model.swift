import WeirGraph
import WeirOps
public import WeirTensor

extension ServableModel {
    /// The outputs of classifiers and ensembles: the probabilities of the classes, and the number of the most probable one.
    package static let probabilitiesOutput = "probabilities", classesOutput = "classes"

    /// Takes the predictions of a model, with the values of its variables.
    ///
    /// The inputs are those that the predictions need. The output `predictions` has what the model predicts. Of a classifier, whose
    /// predictions are logits and which has an input `labels`, there are also `probabilities`, of type `float32` and shape
    /// `[rows, classes]`, and `classes`, the number of the most probable class of each row.
    /// - Parameters:
    ///   - values: the values of the model's variables by name, such as `TrainingReport.parameters`.
    ///   - standardization: how the features were changed before training. Then the input `features` takes rows as the table has them,
    ///     of shape `[rows, features]`; without it, it is what the model declares.
    /// - Throws: `invalidArgument` when the model names no predictions, or a value is missing or does not fit its variable.
    public init(_ model: ModelGraph, values: [String: Tensor], standardization: Standardization? = nil) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        guard let predictions = model.predictions else {
            throw .invalidArgument("A model to serve must name its predictions, found a model with a loss only")
        }
        let needed = model.graph.ancestors(of: [predictions.node])
        var inputs: [String: Output] = [:]
        var feeding: [String: Output] = [:]
        for (name, endpoint) in model.inputs.sorted(by: { $0.key < $1.key }) where needed[endpoint.node] {
            let source = GraphBuilder(extending: model.graph, registry: .standard)
            guard let placeholder = source.output(at: endpoint) else { throw .internalError("Input '\(name)' is not in the model's graph") }
            if name == "features", let standardization {
                let rows = builder.placeholder(.float32, shape: PartialShape([nil, standardization.means.count]), name: name)
                inputs[name] = rows
                feeding[name] = builder.nameScope("standardized") { standardization.applied(to: rows) }.fitted(to: placeholder)
            } else {
                let fed = builder.placeholder(placeholder.dtype, shape: placeholder.shape, name: name)
                inputs[name] = fed
                feeding[name] = fed
            }
        }
        let copied = try model.servedPredictions(in: builder, feeding: feeding, owner: "the model")
        var outputs = ["predictions": copied.identity(name: "predictions")]
        if let labels = model.inputs["labels"], model.graph.nodes[labels.node].outputTypes[labels.index].dtype.isInteger, copied.shape.rank == 2,
            copied.dtype.isFloating
        {
            // No output is computed from another: of a frozen graph, the outputs are those that no node uses.
            let probabilities = copied.softmax().cast(to: .float32)
            outputs[ServableModel.probabilitiesOutput] = probabilities.identity(name: "probabilities")
            outputs[ServableModel.classesOutput] = probabilities.argMax(axis: 1, outputType: .int32).identity(name: "classes")
        }
        try self.init(
            builder, values: values, trained: Set(model.parameters.map(\.name)),
            signatures: [ModelSignature.defaultName: ServedOutputs(inputs: inputs, outputs: outputs)])
    }
}

extension ModelGraph {
    /// Copies what the predictions need into a builder, with variables that begin with zeros.
    /// - Parameters:
    ///   - feeding: what takes the place of placeholders, by input name.
    ///   - owner: names the model in errors.
    /// - Throws: `invalidArgument` when the model names no predictions, or they need another input.
    func servedPredictions(in builder: GraphBuilder, feeding: [String: Output], owner: String) throws(Status) -> Output {
        guard let predictions else { throw .invalidArgument("Expected predictions of \(owner), found a model without") }
        let needed = graph.ancestors(of: [predictions.node])
        for (name, input) in inputs.sorted(by: { $0.key < $1.key }) where needed[input.node] && feeding[name] == nil {
            throw .invalidArgument(
                "The predictions of \(owner) need the input '\(name)'; expected predictions from \(feeding.keys.sorted().joined(separator: ", ")) alone")
        }
        let declared = try declareVariables(in: builder) { variable, _ in
            builder.variable(variable.name) { builder.valueToRestore(variable.shape, variable.dtype) }
        }
        var replacing = declared.replacing
        for (name, output) in feeding { if let endpoint = inputs[name] { replacing[endpoint] = output } }
        var copy = GraphCopy(of: graph, in: builder, replacing: replacing, rewriting: declared.rewriting)
        guard let copied = try copy.copy([predictions]).first else { throw .internalError("The predictions of \(owner) were not copied") }
        return copied
    }
}

extension Output {
    /// Rows of numbers in the shape and the type that a placeholder of rows has.
    func fitted(to placeholder: Output) -> Output {
        var value = self
        if let rank = placeholder.shape.rank, rank != 2 {
            value = value.reshaped(to: [-1] + (1..<Swift.max(1, rank)).compactMap { placeholder.shape[$0] })
        }
        return placeholder.dtype == value.dtype ? value : value.cast(to: placeholder.dtype)
    }
}
