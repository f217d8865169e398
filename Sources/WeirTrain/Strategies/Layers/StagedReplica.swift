import WeirGraph
import WeirOps
import WeirTensor

/// One replica of a staged model in the graph of a strategy: the copies for its micro-batches, and the sums of their gradients.
struct StagedReplica {
    private let builder: GraphBuilder
    private let stages: ModelStages
    private let variables: DeclaredVariables
    /// The device of each stage.
    private let devices: [String]
    private let model: ModelGraph
    private var nodes = StageNodes()

    /// The placeholders of the whole batch, by input name.
    private(set) var inputs: [String: Output] = [:]
    /// The loss of each micro-batch.
    private(set) var losses: [Output] = []
    /// For each parameter, the sum of the micro-batches' gradients, in the order of the micro-batches.
    private(set) var gradientSums: [Output] = []

    init(_ builder: GraphBuilder, _ stages: ModelStages, _ variables: DeclaredVariables, devices: [String]) {
        self.builder = builder
        self.stages = stages
        self.variables = variables
        self.devices = devices
        model = stages.placed(on: devices)
        for (endpoint, output) in variables.replacing { nodes.stage[output.operation.id] = stages.stage(of: endpoint.node) }
    }

    /// Adds the nodes of all micro-batches.
    /// - Parameter runsUpdates: whether the first micro-batch runs the model's updates.
    mutating func build(microBatchCount: Int, runsUpdates: Bool) throws(Status) {
        let parts = try splitInputs(microBatchCount)
        if let failure = builder.failure { throw failure }
        for microBatch in 0..<microBatchCount {
            try builder.nameScope("micro\(microBatch)") { () throws(Status) in
                let loss = try forward(microBatch, parts.mapValues { $0[microBatch] }, runsUpdates: runsUpdates && microBatch == 0)
                backward(microBatch, loss)
            }
        }
        if let failure = builder.failure { throw failure }
    }

    /// Adds placeholders for the batch on the devices of the stages that use them first, and cuts them into equal parts.
    private mutating func splitInputs(_ count: Int) throws(Status) -> [String: [Output]] {
        var copy = GraphCopy(of: model.graph, in: builder)
        var parts: [String: [Output]] = [:]
        for (name, endpoint) in model.inputs.sorted(by: { $0.key < $1.key }) {
            guard let input = try copy.copy([endpoint]).first else { throw .internalError("Input '\(name)' was not copied") }
            inputs[name] = input
            let device = devices[stages.stage(of: endpoint.node) ?? 0]
            // Batches come from the host. Other devices may have no kernel for what they hold, such as integer labels.
            let isHost = try DeviceName(device).type ?? "CPU" == "CPU"
            parts[name] =
                count == 1 ? [input] : builder.device(device) { isHost ? input.split(into: count) : builder.device("/cpu:0") { input.split(into: count) } }
        }
        return parts
    }

    private mutating func forward(_ microBatch: Int, _ inputs: [String: Output], runsUpdates: Bool) throws(Status) -> Output {
        let first = builder.nodeCount
        let replica = try model.replica(in: builder, variables: variables, feeding: inputs, runsUpdates: runsUpdates)
        for id in model.graph.nodes.indices {
            // What stands for a variable or an input was there before, and belongs to no micro-batch.
            guard let copied = replica.copy.operation(id)?.id, copied >= first, let stage = stages.stage(of: id) else { continue }
            nodes.stage[copied] = stage
            nodes.unit[copied] = StageNodes.Unit(stage: stage, work: .forward(microBatch))
        }
        losses.append(replica.loss)
        return replica.loss
    }

    private mutating func backward(_ microBatch: Int, _ loss: Output) {
        let first = builder.nodeCount
        let gradients = builder.gradients(of: loss, with: variables.parameters)
        nodes.assignStages(first..<builder.nodeCount, builder, .backward(microBatch))
        guard builder.failure == nil else { return }
        let added = builder.nodeCount
        if gradientSums.isEmpty {
            gradientSums = gradients
        } else {
            // Adds each gradient as soon as it is there, so that no more than two are kept.
            for index in gradients.indices {
                let place = nodes.stage[gradients[index].operation.id] == nil ? variables.parameters[index].handle.operation : gradients[index].operation
                gradientSums[index] = builder.colocate(with: place) { builder.add("AddN", [gradientSums[index], gradients[index]], name: "sum")[0] }
            }
        }
        nodes.assignStages(added..<builder.nodeCount, builder, .backward(microBatch))
    }

    /// Adds the control edges that make each stage work in the order of a schedule.
    func impose(_ schedule: PipelineSchedule) {
        guard builder.failure == nil, schedule.microBatchCount > 1 else { return }
        nodes.impose(schedule, on: builder, results: losses + gradientSums, devices: devices)
    }
}
