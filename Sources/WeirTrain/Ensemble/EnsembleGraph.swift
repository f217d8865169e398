import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor

/// The graph of an ensemble: from features to the probabilities of the members and their combination.
struct EnsembleGraph {
    /// The graph with the members' values, as one model. Its signature `serving_default` has the combined probabilities and the classes,
    /// `members` the probabilities of each member.
    let model: ServableModel
    let features: Output
    /// The probabilities of each member, `float32` of shape `[rows, classes]`.
    let members: [Output]

    init(_ ensemble: Ensemble, serving method: EnsembleMethod) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        let standardization = Standardization(means: ensemble.moments.means, scale: ensemble.moments.scale)
        let features = builder.placeholder(.float32, shape: PartialShape([nil, standardization.means.count]), name: "features")
        let rows = builder.nameScope("standardized") { standardization.applied(to: features) }
        var members: [Output] = []
        var values: [String: Tensor] = [:]
        var trained: Set<String> = []
        for (index, member) in ensemble.members.enumerated() {
            let scope = "member\(index + 1)"
            try builder.nameScope(scope) { () throws(Status) in
                let logits = try EnsembleGraph.logits(of: member, rows, in: builder)
                guard logits.shape.rank == 2, logits.dtype.isFloating, logits.shape[1] == nil || logits.shape[1] == ensemble.classes.count else {
                    throw .invalidArgument(
                        "Member '\(member.name)': expected predictions of shape [rows, \(ensemble.classes.count)], logits of the classes; found \(logits)")
                }
                members.append(logits.softmax().cast(to: .float32).identity(name: "probabilities"))
            }
            for (name, value) in member.values { values["\(scope)/\(name)"] = value }
            for variable in member.model.parameters { trained.insert("\(scope)/\(variable.name)") }
        }
        let combined = try builder.nameScope("combined") { () throws(Status) in
            switch method {
            case .average: EnsembleGraph.average(members.map { $0.cast(to: .float64) })
            case .stacking: try EnsembleGraph.stacked(members.map { $0.cast(to: .float64) }, ensemble)
            case .vote: throw .invalidArgument("A vote gives classes, not probabilities, so it is not served; expected average or stacking")
            }
        }
        let single = combined.cast(to: .float32)
        let probabilities = single.identity(name: "probabilities")
        let classes = single.argMax(axis: 1, outputType: .int32).identity(name: "classes")
        let named = members.enumerated().map { ("member\($0 + 1)", $1) }
        model = try ServableModel(
            builder, values: values, trained: trained,
            signatures: [
                ModelSignature.defaultName: ServedOutputs(inputs: ["features": features], outputs: ["probabilities": probabilities, "classes": classes]),
                "members": ServedOutputs(inputs: ["features": features], outputs: Dictionary(uniqueKeysWithValues: named)),
            ])
        self.features = features
        self.members = members
    }

    /// Copies a member's network up to its predictions.
    private static func logits(of member: Ensemble.Member, _ rows: Output, in builder: GraphBuilder) throws(Status) -> Output {
        let model = member.model
        let source = GraphBuilder(extending: model.graph, registry: .standard)
        guard let input = model.inputs["features"], let placeholder = source.output(at: input) else {
            throw .invalidArgument("Member '\(member.name)': expected a model with an input 'features' and predictions, found one without")
        }
        return try model.servedPredictions(in: builder, feeding: ["features": rows.fitted(to: placeholder)], owner: "member '\(member.name)'")
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
}
