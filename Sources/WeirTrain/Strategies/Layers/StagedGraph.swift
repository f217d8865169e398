import WeirGraph
import WeirOps
import WeirTensor

/// One graph in which one or more replicas of a staged model train: each replica cuts its batch into micro-batches, every
/// micro-batch has its own copy of the forward and the backward nodes, and all share the variables, which are read once in a step.
///
/// Forward nodes are on the device of their stage. Gradients are on the devices of the nodes that they differentiate, variables
/// and their updates on those of the first replica's stages.
struct StagedGraph {
    private let graph: Graph
    private let shards: [BatchShard]
    private let update: Operation
    private let updateCount: Output
    private let initializer: Operation
    private let evaluation: ModelReplica
    private let parameters: [String: Output]
    private let state: TrainingState

    /// Builds the graph.
    /// - Parameters:
    ///   - replicas: for each replica, the device of each stage.
    ///   - schedule: the order of micro-batches; nil for one micro-batch without an order.
    init(
        _ stages: ModelStages, replicas: [[String]], schedule: PipelineSchedule?, _ setting: TrainingSetting
    ) throws(Status) {
        guard let home = replicas.first, let firstDevice = home.first, let lastStage = stages.stageOfLayer.last else {
            throw .internalError("A staged graph needs a replica with at least one device")
        }
        let builder = GraphBuilder(registry: .standard)
        let globalStep = builder.device(firstDevice) { builder.variable("global_step") { builder.scalar(0, .int64) } }
        let declared = try stages.placed(on: home).declareVariables(in: builder) { variable, declare in
            builder.device(home[stages.stage(of: variable.handle) ?? lastStage], declare)
        }
        var shards: [BatchShard] = []
        var totals: [[Output]] = []
        for (index, devices) in replicas.enumerated() {
            var replica = StagedReplica(builder, stages, declared, devices: devices)
            try builder.nameScope("pipeline\(index)") { () throws(Status) in
                try replica.build(microBatchCount: schedule?.microBatchCount ?? 1)
                if let schedule { replica.impose(schedule) }
                let loss = builder.device(devices[lastStage]) { builder.mean(of: replica.losses) }
                shards.append(BatchShard(index, inputs: replica.inputs, loss: loss))
            }
            totals.append(replica.gradientSums)
        }
        let gradientCount = Double(replicas.count) * Double(schedule?.microBatchCount ?? 1)
        let gradients = declared.parameters.enumerated().map { index, variable in
            let parts = totals.map { $0[index] }
            return (variable, builder.colocate(with: variable.handle.operation) { builder.sum(of: parts, dividedBy: gradientCount, variable.dtype) })
        }
        let applied = builder.apply(setting.optimizer, gradients, globalStep: globalStep)
        updateCount = builder.controlDependencies([applied.operation]) { globalStep.read() }
        let evaluated = stages.placed(on: home, isEvaluated: true)
        evaluation = try builder.nameScope("evaluation") { () throws(Status) in try evaluated.replica(in: builder, variables: declared) }
        state = TrainingState(globalStep: globalStep, variables: declared.all + applied.variables)
        initializer = builder.group(([globalStep] + state.variables).map(\.initializer), name: "initialize")
        parameters = Dictionary(zip(stages.model.parameters.map(\.name), declared.parameters.map(\.value)), uniquingKeysWith: { a, _ in a })
        update = applied.operation
        self.shards = shards
        graph = try builder.graph()
    }

    /// The plan of one client that runs the graph.
    func plan(_ setting: TrainingSetting) -> TrainingPlan {
        let master = setting.workerTasks.first.map { DeviceName(job: "worker", replica: nil, task: $0) }
        var client = TrainingClient(
            worker: 0, master: master, graph: graph, shards: shards, step: update, updateCount: updateCount,
            lifecycle: ClientLifecycle(initializer: initializer))
        client.evaluation = evaluation
        client.parameters = parameters
        client.state = state
        // Each worker has stages that every step needs.
        return TrainingPlan(clients: [client], requiredWorkers: max(1, setting.workerTasks.count))
    }
}

extension GraphBuilder {
    /// The sum of outputs of one shape, divided by a number.
    fileprivate func sum(of parts: [Output], dividedBy divisor: Double, _ dtype: DType) -> Output {
        guard let first = parts.first else { return scalar(0, dtype) }
        let sum = parts.count > 1 ? add("AddN", parts)[0] : first
        return divisor == 1 ? sum : add("Mul", [sum, scalar(1 / divisor, dtype)])[0]
    }
}
