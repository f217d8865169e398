import WeirGraph
public import WeirTensor

/// Cuts each step's rows into batches for several devices or workers, from one client: one graph has a copy of the computation,
/// a tower, on each device, and updates the variables with the mean of the towers' gradients.
public struct InGraphReplication: Strategy {
    /// `in-graph`.
    public let name = "in-graph"
    /// Makes the strategy.
    public init() {}

    /// Makes one client, of the first worker, with a tower on each device of each worker.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        guard !setting.computeDevices.isEmpty else {
            throw .invalidArgument("Strategy 'in-graph' needs at least one device; found none")
        }
        let master = setting.workerTasks.first.map { DeviceName(job: "worker", replica: nil, task: $0) }
        return try ReplicatedGraph(model, setting, devices: setting.computeDevices).plan(master: master)
    }
}

/// One graph with shared variables, a tower on each device, and one update with the mean gradient.
struct ReplicatedGraph {
    private let graph: Graph
    private let towers: [ModelReplica]
    private let update: Operation
    private let updateCount: Output
    private let initializer: Operation
    private let state: TrainingState
    private let parameters: [String: Output]
    private let workerCount: Int

    init(_ model: ModelGraph, _ setting: TrainingSetting, devices: [String]) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        let setter = ReplicaDeviceSetter(
            parameterServers: setting.parameterServerCount, worker: devices[0], balance: setting.balance)
        let globalStep = builder.device(setter.device) { builder.variable("global_step") { builder.scalar(0, .int64) } }
        let declared = try builder.device(setter.device) { () throws(Status) in try model.declareVariables(in: builder, partitioning: setting.partitioning) }
        var towers: [ModelReplica] = []
        var flows: [[VariableGradient]] = []
        for (index, device) in devices.enumerated() {
            try builder.nameScope("tower\(index)") { () throws(Status) in
                try builder.device(device) { () throws(Status) in
                    let tower = try model.replica(in: builder, variables: declared)
                    flows.append(tower.gradients(with: declared))
                    towers.append(tower)
                }
            }
        }
        let gradients = declared.parameters.enumerated().map { index, variable in VariableGradient.mean(variable, flows.map { $0[index].value }) }
        let update = builder.device(setter.device) { builder.apply(setting.optimizer, gradients, globalStep: globalStep) }
        state = TrainingState(globalStep: globalStep, variables: declared.all + update.variables)
        initializer = builder.group(([globalStep] + state.variables).map(\.initializer), name: "initialize")
        updateCount = builder.controlDependencies([update.operation]) { globalStep.read() }
        self.update = update.operation
        self.towers = towers
        let trained = Set(model.parameters.map(\.name))
        parameters = declared.values.filter { trained.contains($0.key) }
        workerCount = max(1, setting.workerTasks.count)
        graph = try builder.graph()
    }

    func plan(master: DeviceName?) -> TrainingPlan {
        let shards = towers.enumerated().map { BatchShard($0, inputs: $1.inputs, loss: $1.loss) }
        var client = TrainingClient(
            worker: 0, master: master, graph: graph, shards: shards, step: update, updateCount: updateCount,
            lifecycle: ClientLifecycle(initializer: initializer))
        client.evaluation = towers.first
        client.parameters = parameters
        client.state = state
        return TrainingPlan(clients: [client], requiredWorkers: workerCount)
    }
}

extension GraphBuilder {
    /// The mean of outputs of one shape.
    func mean(of parts: [Output]) -> Output {
        guard let first = parts.first, parts.count > 1 else { return parts.first ?? scalar(0, .float32) }
        return add("Mul", [add("AddN", parts)[0], scalar(1 / Double(parts.count), first.dtype)])[0]
    }
}
