import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor

/// The graph of an ensemble: from features to the probabilities of the members and their combination.
struct EnsembleGraph {
    let graph: Graph
    let features: Output
    /// The probabilities of each member, `float32` of shape `[rows, classes]`.
    let members: [Output]
    /// The combined probabilities, `float32` of shape `[rows, classes]`.
    let probabilities: Output
    let saver: Saver
    private let initializer: Operation

    /// - Parameters:
    ///   - holdsValues: whether the variables' initial values are those of the members; otherwise they are zeros, and the graph is
    ///     small.
    init(_ ensemble: Ensemble, serving method: EnsembleMethod, holdsValues: Bool) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        let moments = ensemble.moments
        let features = builder.placeholder(.float32, shape: PartialShape([nil, moments.means.count]), name: "features")
        let rows = builder.nameScope("standardized") { (features - builder.constant(Tensor(moments.means))) / Double(moments.scale) }
        var members: [Output] = []
        for (index, member) in ensemble.members.enumerated() {
            try builder.nameScope("member\(index + 1)") { () throws(Status) in
                let logits = try EnsembleGraph.logits(of: member, rows, in: builder, holdsValues: holdsValues)
                guard logits.shape.rank == 2, logits.dtype.isFloating, logits.shape[1] == nil || logits.shape[1] == ensemble.classes.count else {
                    throw .invalidArgument(
                        "Member '\(member.name)': expected predictions of shape [rows, \(ensemble.classes.count)], logits of the classes; found \(logits)")
                }
                members.append(logits.softmax().cast(to: .float32).identity(name: "probabilities"))
            }
        }
        let combined = try builder.nameScope("combined") { () throws(Status) in
            switch method {
            case .average: EnsembleGraph.average(members.map { $0.cast(to: .float64) })
            case .stacking: try EnsembleGraph.stacked(members.map { $0.cast(to: .float64) }, ensemble)
            case .vote: throw .invalidArgument("A vote gives classes, not probabilities, so it is not served; expected average or stacking")
            }
        }
        let probabilities = combined.cast(to: .float32).identity(name: "probabilities")
        _ = probabilities.argMax(axis: 1, outputType: .int32).identity(name: "classes")
        saver = Saver(builder, maxToKeep: 1)
        initializer = builder.group(builder.variables.map(\.initializer), name: "initialize")
        graph = try builder.graph()
        self.features = features
        self.members = members
        self.probabilities = probabilities
    }

    /// Copies a member's network up to its predictions.
    private static func logits(of member: Ensemble.Member, _ rows: Output, in builder: GraphBuilder, holdsValues: Bool) throws(Status) -> Output {
        let model = member.model
        let source = GraphBuilder(extending: model.graph, registry: .standard)
        guard let predictions = model.predictions, let input = model.inputs["features"], let placeholder = source.output(at: input) else {
            throw .invalidArgument("Member '\(member.name)': expected a model with an input 'features' and predictions, found one without")
        }
        let declared = try model.declareVariables(in: builder) { variable, _ in
            builder.variable(variable.name) {
                if !holdsValues { return builder.filled(variable.shape, with: 0, variable.dtype) }
                guard let value = member.values[variable.name] else {
                    builder.record(.internalError("Member '\(member.name)' has no value of variable '\(variable.name)'"))
                    return builder.filled(variable.shape, with: 0, variable.dtype)
                }
                return builder.constant(value, name: "value")
            }
        }
        var value = rows
        if let rank = placeholder.shape.rank, rank != 2 { value = value.reshaped(to: [-1] + (1..<max(1, rank)).compactMap { placeholder.shape[$0] }) }
        if placeholder.dtype != .float32 { value = value.cast(to: placeholder.dtype) }
        var copy = GraphCopy(
            of: model.graph, in: builder, replacing: declared.replacing.merging([input: value]) { _, new in new }, rewriting: declared.rewriting)
        guard let logits = try copy.copy([predictions]).first else { throw .internalError("The predictions of member '\(member.name)' were not copied") }
        for (name, other) in model.inputs.sorted(by: { $0.key < $1.key }) where name != "features" && copy[other] != nil {
            throw .invalidArgument("Member '\(member.name)': expected predictions from 'features' alone, found that they need '\(name)'")
        }
        return logits
    }

    /// The mean of the members' probabilities.
    private static func average(_ members: [Output]) -> Output {
        let builder = members[0].builder
        return (members.count == 1 ? members[0] : builder.sum(members)) * (1 / Double(members.count))
    }

    /// The fitted regression on the logarithms of the members' probabilities.
    private static func stacked(_ members: [Output], _ ensemble: Ensemble) throws(Status) -> Output {
        guard let regression = ensemble.stacking?.regression else { throw Ensemble.notFitted }
        let builder = members[0].builder
        let (classCount, featureCount) = (regression.classCount, regression.featureCount)
        let width = featureCount + 1
        // Of each class the weights of the features and the intercept; a product takes the classes as columns.
        let weights = (0..<featureCount).flatMap { feature in (0..<classCount).map { regression.parameters[$0 * width + feature] } }
        let intercepts = (0..<classCount).map { regression.parameters[$0 * width + featureCount] }
        let logarithms = members.map { $0.maximum(Stacking.leastProbability).log() }
        let rows = logarithms.count == 1 ? logarithms[0] : builder.concatenated(logarithms, axis: 1)
        let product = rows.matMul(builder.constant(Tensor(weights, ofShape: Shape(featureCount, classCount)), name: "weights"))
        return (product + builder.constant(Tensor(intercepts), name: "intercepts")).softmax()
    }

    /// A session in this process whose variables have the members' values.
    func session() async throws(Status) -> Session {
        let session = try await Session(graph, registry: .standard)
        try await session.run(initializer)
        return session
    }
}
