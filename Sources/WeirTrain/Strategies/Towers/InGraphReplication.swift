import WeirGraph
public import WeirTensor

/// Cuts each step's rows into batches for several devices or workers, from one client: one graph has a copy of the computation,
/// a tower, for each batch, and updates the variables with the mean of the towers' gradients.
///
/// The sum of gradients is a balanced binary tree, so that a power of two of batches has the same bits on any power of two of devices.
public struct InGraphReplication: InGraphStrategy {
    package static let strategyName = "in-graph"
    /// `in-graph`.
    public let name = InGraphReplication.strategyName
    /// The number of batches of a step, a multiple of the number of devices; nil means one for each device.
    public var shards: Int?
    /// Makes the strategy.
    public init(shards: Int? = nil) { self.shards = shards }

    /// Builds towers on each device of each worker. The variables are on the parameter servers, if there are any, otherwise on the
    /// first device.
    /// - Throws: `invalidArgument` when there is no device, or the devices do not divide the number of batches.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        let devices = try setting.towerDevices(shards, self)
        let builder = GraphBuilder(registry: .standard)
        let setter = ReplicaDeviceSetter(parameterServers: setting.parameterServerCount, worker: devices[0], balance: setting.balance)
        let (globalStep, declared) = try builder.device(setter.device) { () throws(Status) in
            let globalStep = builder.globalStep()
            return (globalStep, try model.declareVariables(in: builder, partitioning: setting.partitioning))
        }
        let towers = try Towers(model, in: builder, variables: declared, devices: devices)
        return GradientGraph(
            builder, globalStep: globalStep, variables: declared.all, gradients: towers.gradients, shards: towers.shards,
            evaluation: towers.replicas[0], parameters: declared.values)
    }
}
