import WeirGraph
public import WeirTensor

/// Cuts the model between layers: each stage of layers, with its variables and their updates, is on one device. From one client.
///
/// A step computes what one device would compute. At each time only one stage works, so this serves models that are too large for
/// one device; `PipelineParallel` keeps the stages busy. TensorFlow's model parallelism by device scopes: Dean et al., *Large Scale
/// Distributed Deep Networks*, 2012.
public struct LayerParallel: InGraphStrategy {
    package static let strategyName = "layers"
    /// `layers`.
    public let name = LayerParallel.strategyName
    /// The number of stages; nil means one for each device.
    public var stageCount: Int?
    /// How layers are assigned to devices.
    public var assignment: LayerAssignment
    /// Makes the strategy.
    public init(stages: Int? = nil, assignment: LayerAssignment = .balanced()) {
        stageCount = stages
        self.assignment = assignment
    }

    /// Builds the graph of all stages.
    /// - Throws: `invalidArgument` when there are fewer devices than stages or fewer layers than stages, and the errors of
    ///   `LayerCut` and `LayerAssignment`.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        try setting.requireWholeVariables(self)
        let devices = try setting.stageDevices(name, stageCount)
        let stages = try ModelStages(model, assignment, devices: devices, rowCount: setting.batchSize)
        return try GradientGraph(stages, replicas: [stages.devices.map { devices[$0] }], schedule: nil)
    }
}

extension TrainingSetting {
    /// The devices of the stages of one or more replicas of a model.
    /// - Parameter stageCount: for one replica; nil means as many as the devices allow.
    /// - Throws: `invalidArgument` when there are too few devices.
    func stageDevices(_ strategy: String, _ stageCount: Int?, replicas: Int = 1) throws(Status) -> [String] {
        let devices = computeDevices
        guard replicas > 0, (stageCount ?? 1) > 0 else {
            throw .invalidArgument("Strategy '\(strategy)' needs at least 1 stage and 1 replica, found \(stageCount ?? 1) and \(replicas)")
        }
        let (needed, isTooLarge) = (stageCount ?? 1).multipliedReportingOverflow(by: replicas)
        guard !isTooLarge, needed <= devices.count else {
            let found = devices.isEmpty ? "none" : "\(devices.count): \(devices.joined(separator: ", "))"
            throw .invalidArgument(
                "Strategy '\(strategy)' needs a device for each of \(stageCount ?? 1) stages" + (replicas > 1 ? " of each of \(replicas) replicas" : "")
                    + "; found \(found)")
        }
        guard stageCount != nil || devices.count % replicas == 0 else {
            throw .invalidArgument(
                "Strategy '\(strategy)' divides the devices among \(replicas) replicas; \(devices.count) devices cannot be divided: "
                    + devices.joined(separator: ", "))
        }
        return Array(devices.prefix(stageCount == nil ? devices.count : needed))
    }
}
