import WeirCluster
public import WeirTensor

/// Trains on one device: of this process, or of one task of a cluster. What the other strategies compute is compared with it.
public struct SingleDevice: Strategy {
    package static let strategyName = "single"
    /// `single`.
    public let name = SingleDevice.strategyName
    /// The task that has the variables and computes; nil means this process.
    public var task: DeviceName?
    /// Makes the strategy.
    public init(task: DeviceName? = nil) { self.task = task }

    /// Makes one client with the whole model on the first device.
    /// - Throws: `invalidArgument` when there is no device, or the cluster does not have the task.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireDevices(self)
        var alone = setting
        // Without parameter servers.
        alone.cluster = ClusterSpec()
        if let task {
            guard let job = task.job, let number = task.task, setting.cluster.address(job: job, task: number) != nil else {
                throw .invalidArgument(
                    "Strategy 'single' needs a task of the cluster, whose tasks are \(setting.cluster.taskNames.joined(separator: ", ")); found \(task)")
            }
            let master = DeviceName(job: job, replica: nil, task: number)
            alone.devices = ["\(master)\(setting.devices[0])"]
            var plan = try InGraphReplication().plan(model, alone)
            // Only this task is needed.
            for index in plan.clients.indices {
                plan.clients[index].master = master
                plan.clients[index].deviceFilters = ["\(master)"]
            }
            return plan
        }
        alone.devices = Array(setting.devices.prefix(1))
        return try InGraphReplication().plan(model, alone)
    }
}
