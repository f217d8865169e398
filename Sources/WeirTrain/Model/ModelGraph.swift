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
    /// The same loss without the updates, for evaluations; `loss` itself if the model has no updates.
    public let evaluationLoss: Endpoint
    /// The predictions, with one row for each row of the inputs; nil if the model names none.
    public internal(set) var predictions: Endpoint?
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
        let inputs = ModelInputs(builder, placeholders)
        let predictions = model.predictions(inputs)
        let loss = builder.nameScope("loss") { model.loss(predictions, inputs).identity(name: "value") }
        let metrics = builder.nameScope("metrics") { model.metrics(predictions, inputs) }
        try self.init(
            builder.graph(), inputs: placeholders.mapValues(\.endpoint), loss: loss.endpoint, predictions: predictions.endpoint,
            metrics: metrics.mapValues(\.endpoint), updates: inputs.updates.map(\.id))
    }

    /// Takes a graph that computes a loss.
    /// - Parameters:
    ///   - updates: nodes that run with each training step. See `ModelInputs.addUpdate`.
    ///   - trained: the names of the variables to train; nil means all of a floating type on which the loss depends and that no
    ///     update changes.
    ///   - trainable: the names of the variables that may be trained if `trained` is nil; nil means all.
    ///   - initializers: for variables with several assignments, the name of the node that assigns the initial value.
    /// - Throws: `invalidArgument` when the loss is not a floating scalar, an input is not a placeholder, a variable has no initial
    ///   value or no known shape, or the loss does not depend on a variable to train.
    package init(
        _ graph: Graph, inputs: [String: Endpoint], loss: Endpoint, predictions: Endpoint? = nil, metrics: [String: Endpoint] = [:],
        updates: [NodeID] = [], trained: [String]? = nil, trainable: Set<String>? = nil, initializers: [String: String] = [:]
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
        evaluationLoss = loss
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
        let all = try ModelVariable.all(of: graph, needed: [loss] + (predictions.map { [$0] } ?? []) + metrics.values, initializers)
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
        self.parameters = parameters
        otherVariables = all.filter { !names.contains($0.name) }
    }
}
