public import WeirGraph
import WeirOps
public import WeirTensor

/// A model as a graph for one device: what strategies turn into graphs for many devices.
///
/// It comes from a `Model`, or from a graph that TensorFlow made, with its loss named. The graph computes the loss of one batch;
/// it has no gradients and no optimizer.
public struct ModelGraph: Sendable {
    /// The nodes: placeholders, variables with their initial values, layers, loss, metrics.
    public internal(set) var graph: Graph
    /// The placeholders of a batch, by name. Each has the rows as first dimension.
    public let inputs: [String: Endpoint]
    /// The loss of a training step, a scalar: the mean over the rows of a batch. It waits for the model's updates
    /// (`ModelInputs.addUpdate`), so that a step that fetches it runs them.
    public let loss: Endpoint
    /// The same loss without the updates: that of all copies of the model in a graph but the first.
    let lossWithoutUpdates: Endpoint
    /// The predictions, with one row for each row of the inputs; nil if the model names none.
    public internal(set) var predictions: Endpoint?
    /// The loss of held-out rows: without updates, and without what layers do in training only, such as dropout. It is `loss` itself if there
    /// is nothing of both.
    public internal(set) var evaluationLoss: Endpoint
    /// The predictions of which `loss` is computed, and the name scope of those that are computed otherwise; nil if these are the same.
    let training: (predictions: Endpoint, inferenceScope: String)?
    /// What the model names besides its predictions, as it is in inference: `ModelInputs.addOutput`.
    public internal(set) var outputs: [String: Endpoint] = [:]
    /// How many classes a classifier that is written in Swift tells apart, if its predictions say so; nil for other models.
    public internal(set) var classCount: Int?
    /// Scalars that are shown for held-out rows, by name.
    public internal(set) var metrics: [String: Endpoint]
    /// The variables that are trained, in the order in which the graph declares them.
    public let parameters: [ModelVariable]
    /// The variables that are not trained.
    public let otherVariables: [ModelVariable]

    /// Builds the graph of a model.
    /// - Throws: the first error that the model's nodes have, with its source location; `invalidArgument` when the loss is not a
    ///   scalar, or does not depend on any variable.
    public init(_ model: some Model) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        var placeholders: [String: Output] = [:]
        for input in model.inputs {
            let shape = PartialShape([nil] + input.shape.map { Optional($0) })
            placeholders[input.name] = builder.placeholder(input.dtype, shape: shape, name: input.name)
        }
        let pass = ModelPass(.training)
        let inputs = ModelInputs(builder, placeholders, pass)
        var (predictions, evaluated) = (model.predictions(inputs), inputs)
        let classCount = model is any Classifier && predictions.shape.rank == 2 ? predictions.shape[1] : nil
        if let classCount, classCount < 2 {
            builder.record(
                .invalidArgument(
                    "A classifier's predictions have a number for each class, at least 2; found \(predictions.shape). Give the last layer as many units as "
                        + "there are classes, such as Dense(2). A model that predicts one number conforms to Model, with a loss such as Loss.meanSquaredError "
                        + "or Loss.binaryCrossEntropy"))
        }
        let trained = predictions
        func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
            builder.nameScope("loss") { pass.losses.reduce(model.loss(predictions, inputs)) { $0 + $1 }.identity(name: "value") }
        }
        let trainingLoss = loss(trained, inputs)
        var evaluationLoss = trainingLoss
        var training: (predictions: Endpoint, inferenceScope: String)?
        if pass.dependsOnMode {
            let declared = builder.variables.count
            evaluated = ModelInputs(builder, placeholders, pass.inference())
            builder.nameScope("inference") {
                training = (trained.endpoint, builder.scopeName)
                predictions = model.predictions(evaluated)
            }
            if let other = builder.variables.dropFirst(declared).first {
                builder.record(
                    .invalidArgument(
                        "Variable '\(other.name)' is declared with the graph's builder; a model whose layers depend on the mode declares its "
                            + "variables with LayerContext.variable, which finds them when predictions are built a second time"))
            }
            evaluationLoss = loss(predictions, evaluated)
        }
        let metrics = builder.nameScope("metrics") { model.metrics(predictions, evaluated) }
        try self.init(
            builder.graph(), inputs: placeholders.mapValues(\.endpoint), loss: trainingLoss.endpoint, predictions: predictions.endpoint,
            metrics: metrics.mapValues(\.endpoint), updates: pass.updates.map(\.id), evaluationLoss: evaluationLoss.endpoint, training: training)
        outputs = evaluated.namedOutputs.mapValues(\.endpoint)
        self.classCount = classCount
    }

    /// Takes a graph that computes a loss.
    /// - Parameters:
    ///   - updates: nodes that run with each training step. See `ModelInputs.addUpdate`.
    ///   - trained: the names of the variables to train; nil means all of a floating type on which the loss depends and that no
    ///     update changes.
    ///   - trainable: the names of the variables that may be trained if `trained` is nil; nil means all.
    ///   - initializers: for variables with several assignments, the name of the node that assigns the initial value.
    ///   - evaluationLoss: the loss of held-out rows; nil means `loss`, without the updates.
    ///   - training: the predictions of which the loss is computed, and the scope of the others; nil if they are the same.
    /// - Throws: `invalidArgument` when the loss is not a floating scalar, an input is not a placeholder, a variable has no initial
    ///   value or no known shape, or the loss does not depend on a variable to train.
    package init(
        _ graph: Graph, inputs: [String: Endpoint], loss: Endpoint, predictions: Endpoint? = nil, metrics: [String: Endpoint] = [:],
        updates: [NodeID] = [], trained: [String]? = nil, trainable: Set<String>? = nil, initializers: [String: String] = [:],
        evaluationLoss: Endpoint? = nil, training: (predictions: Endpoint, inferenceScope: String)? = nil
    ) throws(Status) {
        try graph.validate()
        let builder = GraphBuilder(extending: graph, registry: .standard)
        if let failure = builder.failure { throw failure }
        guard let value = builder.output(at: loss), value.dtype.isFloating, !value.isReference, (value.shape.rank ?? 0) == 0 else {
            let found = builder.output(at: loss).map { "\($0)" } ?? "no such output"
            throw .invalidArgument("The loss must be a scalar of a floating type, the mean over the rows of a batch; found \(found)")
        }
        for (name, endpoint) in metrics.sorted(by: { $0.key < $1.key }) + (predictions.map { [("predictions", $0)] } ?? [])
        where builder.output(at: endpoint) == nil {
            throw .invalidArgument("'\(name)' must be an output of the graph; found output \(endpoint.index) of a node that has fewer")
        }
        for (name, endpoint) in inputs where builder.output(at: endpoint) == nil || graph.nodes[endpoint.node].role != .placeholder {
            let found = graph.nodes.indices.contains(endpoint.node) ? "node '\(graph.nodes[endpoint.node].name)'" : "no such node"
            throw .invalidArgument("Input '\(name)' must be a placeholder, found \(found)")
        }
        lossWithoutUpdates = loss
        var (graph, loss) = (graph, loss)
        if !updates.isEmpty {
            if let missing = updates.first(where: { !graph.nodes.indices.contains($0) }) {
                throw .invalidArgument("An update must be a node of the graph; found number \(missing) of \(graph.nodes.count)")
            }
            // In the scope of the loss, which is not a layer.
            let name = "\(graph.nodes[loss.node].name)_with_updates"
            loss = builder.add("Identity", [value], name: name, controls: updates.map { Operation(builder, $0) })[0].endpoint
            graph = try builder.graph()
        }
        let evaluated = [evaluationLoss ?? lossWithoutUpdates] + (predictions.map { [$0] } ?? []) + metrics.values
        let all = try ModelVariable.all(of: graph, needed: [loss] + evaluated, initializers)
        let reached = graph.ancestors(of: [loss.node])
        let chosen = try trained.map { names throws(Status) -> Set<String> in
            for name in names where !all.contains(where: { $0.name == name }) {
                throw .invalidArgument("The graph has no variable '\(name)' to train; its variables are \(all.map(\.name).joined(separator: ", "))")
            }
            return Set(names)
        }
        let allowed = chosen ?? trainable
        let floating = all.filter { $0.dtype.isFloating && reached[$0.handle] && allowed?.contains($0.name) != false && (chosen != nil || !$0.isUpdated) }
        let gradients = builder.gradients(of: [value], with: floating.compactMap { builder.output(at: Endpoint($0.handle)) })
        if let failure = builder.failure { throw failure }
        let parameters = zip(floating, gradients).filter { $0.1 != nil }.map(\.0)
        if let missing = chosen?.subtracting(parameters.map(\.name)).sorted().first {
            throw .invalidArgument("The loss does not depend on variable '\(missing)', so it cannot be trained")
        }
        guard !parameters.isEmpty else { throw .invalidArgument("The loss '\(value.name)' does not depend on any variable") }
        let names = Set(parameters.map(\.name))
        self.graph = graph
        self.inputs = inputs
        self.loss = loss
        self.predictions = predictions
        self.metrics = metrics
        self.evaluationLoss = evaluationLoss ?? lossWithoutUpdates
        self.training = training
        self.parameters = parameters
        otherVariables = all.filter { !names.contains($0.name) }
    }
}
