import WeirGraph
public import WeirTensor

/// Cuts the model between layers as `LayerParallel` does, and each batch into micro-batches that flow through the stages, so that the
/// stages work at the same time. From one client, in one graph.
///
/// The gradients of the micro-batches are summed and applied once, so a step computes what one device would compute from the whole
/// batch. Ops that take statistics over the rows, such as batch normalization, take them over a micro-batch. A random op with a seed
/// gives every micro-batch the same numbers. Huang et al., *GPipe*, 2019; Narayanan et al., *Megatron-LM*, 2021.
public struct PipelineParallel: Strategy {
    /// `pipeline`.
    public let name = "pipeline"
    /// The number of parts of a batch.
    public var microBatchCount: Int
    /// The order in which the stages work on them.
    public var order: PipelineSchedule.Order
    /// The number of stages; nil means one for each device.
    public var stageCount: Int?
    /// How layers are assigned to devices.
    public var assignment: LayerAssignment
    /// Makes the strategy.
    public init(
        microBatches: Int = 4, order: PipelineSchedule.Order = .oneForwardOneBackward, stages: Int? = nil, assignment: LayerAssignment = .balanced()
    ) {
        microBatchCount = microBatches
        self.order = order
        stageCount = stages
        self.assignment = assignment
    }

    /// Makes one client, of the first worker.
    /// - Throws: `invalidArgument` when the batch cannot be cut into that many micro-batches, the stages are not contiguous, and as
    ///   `LayerParallel.plan` does.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try DataParallelPipelines(replicas: 1, self).plan(model, setting, as: name)
    }
}

/// Trains several replicas of a pipeline, each on a batch of its own, and updates the variables with the mean of their gradients:
/// data × layers.
///
/// The devices in order are those of the first replica's stages, then those of the second's. The variables are on the first
/// replica's devices. From one client, in one graph.
public struct DataParallelPipelines: Strategy {
    /// `pipelines`.
    public let name = "pipelines"
    /// The number of replicas.
    public var replicaCount: Int
    /// How each replica is cut; its number of stages is that of one replica.
    public var pipeline: PipelineParallel
    /// Makes the strategy.
    public init(replicas: Int, _ pipeline: PipelineParallel = PipelineParallel()) {
        replicaCount = replicas
        self.pipeline = pipeline
    }

    /// Makes one client, of the first worker.
    /// - Throws: `invalidArgument` when the devices cannot be divided among the replicas, and as `PipelineParallel.plan` does.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan { try plan(model, setting, as: name) }

    fileprivate func plan(_ model: ModelGraph, _ setting: TrainingSetting, as name: String) throws(Status) -> TrainingPlan {
        let count = pipeline.microBatchCount
        guard count > 0, setting.batchSize.isMultiple(of: count) else {
            throw .invalidArgument("Strategy '\(name)' cuts a batch into equal micro-batches; \(setting.batchSize) rows cannot be cut into \(count)")
        }
        let all = try setting.stageDevices(name, pipeline.stageCount, replicas: replicaCount)
        let perReplica = all.count / replicaCount
        let stages = try ModelStages(model, pipeline.assignment, devices: Array(all.prefix(perReplica)), rowCount: setting.batchSize / count)
        try stages.checkPipeline(name)
        let schedule = try PipelineSchedule(pipeline.order, stages: stages.count, microBatches: count)
        let replicas = (0..<replicaCount).map { replica in stages.devices.map { all[replica * perReplica + $0] } }
        return try StagedGraph(stages, replicas: replicas, schedule: schedule, setting).plan(setting)
    }
}
