import WeirGraph
import WeirOps
import WeirTensor

extension GradientGraph {
    /// Builds one or more replicas of a staged model: each replica cuts its batch into micro-batches, every micro-batch has its own
    /// copy of the forward and the backward nodes, and all share the variables, which are read once in a step.
    ///
    /// Forward nodes are on the device of their stage. Gradients are on the devices of the nodes that they differentiate, variables
    /// and their updates on those of the first replica's stages.
    /// - Parameters:
    ///   - replicas: for each replica, the device of each stage.
    ///   - schedule: the order of micro-batches; nil for one micro-batch without an order.
    init(_ stages: ModelStages, replicas: [[String]], schedule: PipelineSchedule?) throws(Status) {
        guard let home = replicas.first, let firstDevice = home.first, let lastStage = stages.stageOfLayer.last else {
            throw .internalError("A staged graph needs a replica with at least one device")
        }
        let builder = GraphBuilder(registry: .standard)
        let globalStep = builder.device(firstDevice) { builder.globalStep() }
        let declared = try stages.placed(on: home).declareVariables(in: builder) { variable, declare in
            builder.device(home[stages.stage(of: variable.handle) ?? lastStage], declare)
        }
        var shards: [BatchShard] = []
        var totals: [[Output]] = []
        for (index, devices) in replicas.enumerated() {
            var replica = StagedReplica(builder, stages, declared, devices: devices)
            try builder.nameScope("pipeline\(index)") { () throws(Status) in
                try replica.build(microBatchCount: schedule?.microBatchCount ?? 1, runsUpdates: index == 0)
                if let schedule { replica.impose(schedule) }
                let loss = builder.device(devices[lastStage]) { builder.mean(of: replica.losses) }
                shards.append(BatchShard(index, inputs: replica.inputs, loss: loss))
            }
            totals.append(replica.gradientSums)
        }
        let gradientCount = Double(replicas.count) * Double(schedule?.microBatchCount ?? 1)
        let gradients = declared.parameters.enumerated().map { index, variable in
            let parts = totals.map { $0[index] }
            let mean = builder.colocate(with: variable.handle.operation) { builder.sum(of: parts, dividedBy: gradientCount, variable.dtype) }
            return VariableGradient(variable, .dense(mean))
        }
        let evaluated = stages.placed(on: home, isEvaluated: true)
        let evaluation = try builder.nameScope("evaluation") { () throws(Status) in try evaluated.replica(in: builder, variables: declared) }
        self.init(
            builder, globalStep: globalStep, variables: declared.all, gradients: gradients, shards: shards, evaluation: evaluation,
            parameters: declared.values)
    }
}

extension GraphBuilder {
    /// The mean of outputs of one shape.
    fileprivate func mean(of parts: [Output]) -> Output { sum(of: parts, dividedBy: Double(parts.count), parts.first?.dtype ?? .float32) }
    /// The sum of outputs of one shape, divided by a number.
    fileprivate func sum(of parts: [Output], dividedBy divisor: Double, _ dtype: DType) -> Output {
        guard let first = parts.first else { return scalar(0, dtype) }
        let sum = parts.count > 1 ? add("AddN", parts)[0] : first
        return divisor == 1 ? sum : add("Mul", [sum, scalar(1 / divisor, dtype)])[0]
    }
}
