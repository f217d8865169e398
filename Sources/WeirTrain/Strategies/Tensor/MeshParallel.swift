public import WeirGraph
public import WeirTensor

/// Divides batches and layers over a mesh of devices: the axis `data` cuts each step's rows, the axis `model` cuts layers as
/// `TensorParallel` does.
///
/// ```swift
/// options.strategy = MeshParallel(["data": 2, "model": 2])
/// ```
/// A step takes a batch for each index of `data`. Whole variables lie on the first device; a part of a variable is on the devices
/// of the first index of `data`, and the others get it in each step. Batch normalization takes the moments of all rows, as one
/// device would. See Xu et al., "GSPMD: General and Scalable Parallelization for ML Computation Graphs", 2021.
public struct MeshParallel: InGraphStrategy {
    package static let strategyName = "mesh"
    /// `mesh`.
    public let name = MeshParallel.strategyName
    /// The axes; the last varies fastest over the devices.
    public var axes: [DeviceMesh.Axis]
    /// As for `TensorParallel`.
    public var rules: [(String, VariableCut)]

    /// A mesh with these axes, in this order.
    public init(_ axes: KeyValuePairs<String, Int>, rules: [(String, VariableCut)] = []) {
        self.init(axes: axes.map { DeviceMesh.Axis($0.key, $0.value) }, rules: rules)
    }
    /// The same with the axes in an array, as `DeviceMesh.axes(_:)` reads them.
    public init(axes: [DeviceMesh.Axis], rules: [(String, VariableCut)] = []) {
        self.axes = axes
        self.rules = rules
    }

    /// Builds one graph over the devices of all workers.
    /// - Throws: `invalidArgument` when the mesh does not fit the devices, an axis is neither `data` nor `model`, or layers cannot be cut.
    public func gradientGraph(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> GradientGraph {
        try setting.requireWholeVariables(self)
        try setting.requireDevices(self)
        let mesh = try DeviceMesh(axes, devices: setting.computeDevices)
        if let other = axes.first(where: { $0.name != "data" && $0.name != "model" }) {
            throw .invalidArgument("The axes of a mesh are 'data', which cuts batches, and 'model', which cuts layers; found '\(other.name)'")
        }
        return try ShardedModel(
            model, setting, mesh: mesh, batchAxis: mesh.axis(named: "data"), layerAxis: mesh.axis(named: "model"), rules: rules
        ).gradientGraph()
    }
}
