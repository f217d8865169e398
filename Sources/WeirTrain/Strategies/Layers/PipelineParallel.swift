import WeirGraph
public import WeirTensor

/// Cuts the model between layers as `LayerParallel` does, and each batch into micro-batches that flow through the stages, so that the
/// stages work at the same time. From one client, in one graph.
///
/// The gradients of the micro-batches are summed and applied once, so a step computes what one device would compute from the whole
/// batch. Ops that take statistics over the rows, such as batch normalization, take them over a micro-batch. A random op with a seed
/// gives every micro-batch the same numbers. Huang et al., *GPipe*, 2019; Narayanan et al., *Megatron-LM*, 2021.
public struct PipelineParallel: InGraphStrategy {
    package static let strategyName = "pipeline"
    /// `pipeline`.
    public let name = PipelineParallel.strategyName
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

    /// Builds the graph of all stages.
    /// - Throws: `invalidArgument` when the batch cannot be cut into that many micro-batches, the stages are not contiguous, and as
    ///   `LayerParallel.gradientGraph` does.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        try setting.requireWholeVariables(self)
        return try DataParallelPipelines(replicas: 1, self).gradientGraph(model, setting, as: name)
    }
}
