import WeirCluster
public import WeirTensor

/// Trains in this process, on one device, without a cluster. What the other strategies compute is compared with it.
public struct SingleDevice: Strategy {
    /// `single`.
    public let name = "single"
    /// Makes the strategy.
    public init() {}

    /// Makes one client with the whole model on the first device.
    /// - Throws: `invalidArgument` when there is no device.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireDevices(self)
        var alone = setting
        alone.cluster = ClusterSpec()
        alone.devices = Array(setting.devices.prefix(1))
        return try InGraphReplication().plan(model, alone)
    }
}
