public import WeirTensor

/// A strategy with one client, whose graph spans all devices.
///
/// The client's step can be one worker's part of a larger one: `AllReduceReplicas(of:)` gives each worker such a graph on its own
/// devices, and sums the gradients over the workers.
public protocol InGraphStrategy: Strategy {
    /// Builds the graph of one client up to the gradients, on the devices of the setting.
    /// - Throws: `invalidArgument` when the model or the devices cannot be split this way.
    func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph
}

extension InGraphStrategy {
    /// Makes one client, of the first worker; without workers, one in this process.
    /// - Throws: as `gradientGraph`.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try gradientGraph(model, setting).plan(setting)
    }
}
