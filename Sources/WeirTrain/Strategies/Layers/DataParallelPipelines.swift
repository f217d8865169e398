import WeirGraph
public import WeirTensor

/// Trains several replicas of a pipeline, each on a batch of its own, and updates the variables with the mean of their gradients:
/// data × layers.
///
/// The devices in order are those of the first replica's stages, then those of the second's. The variables are on the first
/// replica's devices. From one client, in one graph.
public struct DataParallelPipelines: InGraphStrategy {
    package static let strategyName = "pipelines"
    /// `pipelines`.
    public let name = DataParallelPipelines.strategyName
    /// The number of replicas.
    public var replicaCount: Int
    /// How each replica is cut; its number of stages is that of one replica.
    public var pipeline: PipelineParallel
    /// Makes the strategy.
    public init(replicas: Int, _ pipeline: PipelineParallel = PipelineParallel()) {
        replicaCount = replicas
        self.pipeline = pipeline
    }

    /// Builds the graph of all stages.
    /// - Throws: `invalidArgument` when the devices cannot be divided among the replicas, and as `PipelineParallel.gradientGraph` does.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        try setting.requireWholeVariables(self)
        return try gradientGraph(model, setting, as: name)
    }

    /// Builds the graph for a strategy of this name, which messages have.
    func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting, as name: String) throws(Status) -> GradientGraph {
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
        return try GradientGraph(stages, replicas: replicas, schedule: schedule)
    }
}
