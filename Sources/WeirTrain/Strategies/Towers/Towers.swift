import WeirGraph
import WeirTensor

/// Copies of a model's computation on several devices of one graph, each for a batch of its own, which share the variables.
struct Towers {
    /// The copies.
    let replicas: [ModelReplica]
    /// The means of their gradients, by trained variable.
    let gradients: [VariableGradient]

    /// Adds a tower for each of these devices, of which there is at least one.
    /// - Parameter after: operations for which the towers wait before they read variables.
    init(
        _ model: ModelGraph, in builder: GraphBuilder, variables: DeclaredVariables, devices: [String], after: [Operation] = []
    ) throws(Status) {
        var replicas: [ModelReplica] = []
        var flows: [[VariableGradient]] = []
        for (index, device) in devices.enumerated() {
            try builder.nameScope("tower\(index)") { () throws(Status) in
                try builder.device(device) { () throws(Status) in
                    let tower = try model.replica(in: builder, variables: variables, runsUpdates: index == 0, after: after)
                    flows.append(tower.gradients(with: variables))
                    replicas.append(tower)
                }
            }
        }
        gradients = builder.nameScope("mean") {
            variables.parameters.enumerated().map { index, variable in
                VariableGradient.mean(variable, zip(flows, devices).map { ($0[index].value, $1) })
            }
        }
        self.replicas = replicas
    }

    /// The towers' parts of a step's rows.
    var shards: [BatchShard] { shards(from: 0) }
    /// The same, of which other clients have those before `first`.
    func shards(from first: Int) -> [BatchShard] { replicas.enumerated().map { BatchShard(first + $0, inputs: $1.inputs, loss: $1.loss) } }
}

extension TrainingSetting {
    /// The device of each tower: each device has an equal number of consecutive ones.
    /// - Parameter count: the number of towers; nil means one for each device.
    /// - Throws: `invalidArgument` when there is no device, or the devices do not divide the number.
    func towerDevices(_ count: Int?, _ strategy: some Strategy) throws(Status) -> [String] {
        try requireDevices(strategy)
        let devices = computeDevices
        let count = count ?? devices.count
        guard count > 0, count <= 4096, count % devices.count == 0 else {
            throw .invalidArgument(
                "Strategy '\(strategy.name)' needs a number of shards that the \(devices.count) devices divide, at most 4096; found \(count)")
        }
        return devices.flatMap { [String](repeating: $0, count: count / devices.count) }
    }
}
