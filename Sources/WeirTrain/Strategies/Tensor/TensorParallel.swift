import WeirGraph
public import WeirTensor

/// Divides the work inside each layer: every device has a part of each layer's variables and computes with it.
///
/// Dense layers are cut by columns or rows, convolutions by output or input channels, attention by heads, tables of embeddings by
/// rows, each where the number of devices divides the size. The strategy chooses the cuts that move the fewest bytes. A layer that is
/// cut by columns and the next that is cut by rows need one sum over the devices for both, as do the projections of an attention.
/// See Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism", 2019.
///
/// What is whole, such as biases after a sum and the values between blocks, lies on the first device. That moves as many bytes as
/// an all-reduce by a ring, and neither computes nor stores anything twice.
public struct TensorParallel: InGraphStrategy {
    package static let strategyName = "tensor"
    /// `tensor`.
    public let name = TensorParallel.strategyName
    /// Parts of variables' names with the cuts that these have instead of those that the strategy would choose:
    /// `("attention/query", .columns)` fits `block1/attention/query/kernel`. The first rule that fits a variable counts.
    public var rules: [(String, VariableCut)]
    /// Makes the strategy.
    public init(rules: [(String, VariableCut)] = []) { self.rules = rules }

    /// Builds one graph over all devices of all workers.
    /// - Throws: `invalidArgument` when no variable can be cut, a rule cannot be followed, or heads cannot be divided.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        try setting.requireWholeVariables(self)
        try setting.requireDevices(self)
        let devices = setting.computeDevices
        let mesh = try DeviceMesh([DeviceMesh.Axis("model", devices.count)], devices: devices)
        return try ShardedModel(model, setting, mesh: mesh, batchAxis: nil, layerAxis: 0, rules: rules).gradientGraph()
    }
}
