public import WeirTensor

/// The order in which each stage of a pipeline works on the micro-batches of one step.
///
/// With S stages of equal cost and M micro-batches, each stage is idle for (S − 1) / (M + S − 1) of the step in both orders. They
/// differ in memory: in GPipe's order a stage keeps the activations of all M micro-batches, in 1F1B's those of at most S.
public struct PipelineSchedule: Sendable, Hashable {
    /// An order. The raw value is what `weir train --schedule` takes.
    public enum Order: String, Sendable, CaseIterable {
        /// All forwards, then all backwards. Huang et al., *GPipe: Efficient Training of Giant Neural Networks using Pipeline
        /// Parallelism*, 2019. The backwards are in the order of the micro-batches, as Narayanan et al. draw them.
        case gPipe = "gpipe"
        /// One forward, one backward, with a flush at the end of the step. Narayanan et al., *Efficient Large-Scale Language Model
        /// Training on GPU Clusters Using Megatron-LM*, 2021 (PipeDream-Flush, figure 4).
        case oneForwardOneBackward = "1f1b"
    }
    /// What a stage does at one time.
    public enum Work: Sendable, Hashable {
        /// Computes the activations of a micro-batch.
        case forward(Int)
        /// Computes the gradients of a micro-batch.
        case backward(Int)
    }

    /// The order.
    public let order: Order
    /// The number of stages.
    public let stageCount: Int
    /// The number of micro-batches.
    public let microBatchCount: Int

    /// Makes a schedule.
    /// - Throws: `invalidArgument` when there is no stage or no micro-batch.
    public init(_ order: Order, stages: Int, microBatches: Int) throws(Status) {
        guard stages > 0, microBatches > 0 else {
            throw .invalidArgument("A pipeline needs at least 1 stage and 1 micro-batch, found \(stages) and \(microBatches)")
        }
        self.order = order
        stageCount = stages
        microBatchCount = microBatches
    }

    /// The number of micro-batches whose activations a stage keeps at most: the forwards before its first backward.
    /// - Parameter stage: counted from 0; stages that do not exist keep none.
    public func liveMicroBatchCount(ofStage stage: Int) -> Int {
        guard (0..<stageCount).contains(stage) else { return 0 }
        return switch order {
        case .gPipe: microBatchCount
        case .oneForwardOneBackward: min(stageCount - stage, microBatchCount)
        }
    }

    /// What a stage does, in order; nothing if there is no such stage.
    /// - Parameter stage: counted from 0.
    public func work(ofStage stage: Int) -> [Work] {
        guard (0..<stageCount).contains(stage) else { return [] }
        let first = liveMicroBatchCount(ofStage: stage)
        var result = (0..<first).map { Work.forward($0) }
        for microBatch in 0..<microBatchCount {
            result.append(.backward(microBatch))
            if first + microBatch < microBatchCount { result.append(.forward(first + microBatch)) }
        }
        return result
    }

    /// The fraction of a step in which a stage is idle, if all stages cost the same.
    public var bubbleShare: Double { (Double(stageCount) - 1) / (Double(microBatchCount) + Double(stageCount) - 1) }
}
