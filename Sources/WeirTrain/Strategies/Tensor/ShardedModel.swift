import WeirGraph
import WeirOps
import WeirTensor

/// A model whose layers, and batches, are divided over a mesh of devices: one graph, which one client runs.
struct ShardedModel {
    private let model: ModelGraph
    private let setting: TrainingSetting
    private let mesh: DeviceMesh
    /// The axis that cuts batches, and the axis that cuts layers; nil if there is none.
    private let batchAxis: Int?
    private let layout: ShardingPlan
    private let evaluation: ShardingPlan

    /// Decides how the model is divided.
    /// - Throws: `invalidArgument` when the variables cannot be cut, or not as the rules ask.
    init(
        _ model: ModelGraph, _ setting: TrainingSetting, mesh: DeviceMesh, batchAxis: Int?, layerAxis: Int?, rules: [(String, VariableCut)]
    ) throws(Status) {
        self.model = model
        self.setting = setting
        self.mesh = mesh
        self.batchAxis = batchAxis
        let batchCount = batchAxis.map { mesh.axes[$0].size } ?? 1
        let (rowCount, overflow) = setting.batchSize.multipliedReportingOverflow(by: batchCount)
        guard setting.batchSize > 0, !overflow else {
            throw .invalidArgument("A batch must have at least one row and fit in memory, found \(setting.batchSize) rows for \(batchCount) parts")
        }
        let facts = try ShardingFacts(model.graph, roots: [model.loss], rowCount: rowCount)
        var choices: [NodeID: [ShardingPass.Choice]] = [:]
        if let layerAxis {
            choices = try VariableLayouts(model: model, facts: facts, mesh: mesh, axis: layerAxis, rules: rules).choices()
        } else if let rule = rules.first {
            throw .invalidArgument("The mesh \(mesh) has no axis that cuts layers, which the rule for '\(rule.0)' needs")
        }
        var inputs: [Endpoint: TensorSharding] = [:]
        if let batchAxis, batchCount > 1 { for input in model.inputs.values { inputs[input] = .cut(0, along: batchAxis, of: mesh) } }
        layout = try ShardingPass(
            facts, mesh: mesh, roots: [model.loss], inputs: inputs, variables: choices, keptAxes: Set(batchAxis.map { [$0] } ?? [])
        ).run()
        let shardings = model.parameters.map { [layout] in ($0.handle, layout.sharding(of: Endpoint($0.handle))) }
        if let layerAxis, mesh.axes[layerAxis].size > 1, rules.isEmpty, !shardings.contains(where: { $1.dimension(cutAlong: layerAxis) != nil }) {
            let sizes = model.parameters.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
            throw .invalidArgument("No variable can be cut into \(mesh.axes[layerAxis].size) equal parts; the variables are \(sizes)")
        }
        // Held-out rows come in any number, so that they are not cut.
        let roots = [model.evaluationLoss] + (model.predictions.map { [$0] } ?? []) + model.metrics.keys.sorted().compactMap { model.metrics[$0] }
        evaluation = try ShardingPass(
            ShardingFacts(model.graph, roots: roots, rowCount: rowCount), mesh: mesh, roots: roots,
            variables: Dictionary(uniqueKeysWithValues: shardings.map { ($0, [ShardingPass.Choice($1)]) })
        ).run()
    }

    /// Builds the graph.
    func gradientGraph() throws(Status) -> GradientGraph {
        let builder = GraphBuilder(registry: .standard)
        let first = mesh.devices[0]
        let globalStep = builder.device(first) { builder.globalStep() }
        let variables = try ShardedVariables(model, layout, in: builder)
        let trained = try replica("model", layout, [model.loss], variables, in: builder)
        guard let loss = trained.outputs[model.loss] else { throw .internalError("The model's loss was not built") }
        let targets = variables.parameters.flatMap { $0 }
        let gradients = builder.device(first) { builder.gradients(of: loss, with: targets) }
        let wholes = zip(model.parameters, variables.parameters).flatMap { parameter, parts in parts.map { _ in parameter.name } }
        let batches = batchAxis.map { mesh.axes[$0].size } ?? 1
        return GradientGraph(
            builder, globalStep: globalStep, variables: variables.all,
            gradients: zip(zip(targets, gradients), wholes).map { VariableGradient($0.0, .dense($0.1), partOf: $1) },
            shards: [BatchShard(0, inputs: trained.inputs, loss: loss, batches: batches)],
            evaluation: try evaluationReplica(variables, in: builder), parameters: variables.values)
    }

    private func evaluationReplica(_ variables: ShardedVariables, in builder: GraphBuilder) throws(Status) -> ModelReplica {
        let metricNames = model.metrics.keys.sorted()
        let roots = [model.evaluationLoss] + (model.predictions.map { [$0] } ?? []) + metricNames.compactMap { model.metrics[$0] }
        let built = try replica("evaluation", evaluation, roots, variables, in: builder)
        guard let loss = built.outputs[model.evaluationLoss] else { throw .internalError("The model's loss was not built") }
        let metrics = metricNames.compactMap { name in model.metrics[name].flatMap { built.outputs[$0] }.map { (name, $0) } }
        return ModelReplica(
            inputs: built.inputs, loss: loss, evaluationLoss: loss, predictions: model.predictions.flatMap { built.outputs[$0] },
            metrics: Dictionary(uniqueKeysWithValues: metrics), copy: GraphCopy(of: model.graph, in: builder, replacing: built.outputs))
    }

    /// Builds the nodes of a layout in a name scope, and whole values of outputs.
    private func replica(
        _ scope: String, _ layout: ShardingPlan, _ roots: [Endpoint], _ variables: ShardedVariables, in builder: GraphBuilder
    ) throws(Status) -> (inputs: [String: Output], outputs: [Endpoint: Output]) {
        try builder.nameScope(scope) { () throws(Status) in
            var sharded = try ShardedGraph(layout, in: builder, replacing: variables.replacing)
            var outputs: [Endpoint: Output] = [:]
            for root in roots { outputs[root] = try sharded.whole(root) }
            var inputs: [String: Output] = [:]
            for (name, endpoint) in model.inputs.sorted(by: { $0.key < $1.key }) {
                if let placeholder = sharded.operation(endpoint.node) {
                    inputs[name] = placeholder[endpoint.index]
                } else {
                    // The loss does not need this input, but it is fed.
                    var copy = GraphCopy(of: model.graph, in: builder)
                    inputs[name] = try builder.device(mesh.devices[0]) { () throws(Status) in try copy.copy([endpoint]).first }
                }
            }
            return (inputs, outputs)
        }
    }
}
