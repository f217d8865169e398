import WeirGraph
import WeirOps
import WeirTensor

/// The graph that one worker's client builds for between-graph replication: the variables on the parameter servers, its own copy
/// of the computation, and the update of the strategy. All clients declare the same variables, and so share them.
struct WorkerGraph {
    private let model: ModelGraph
    private let setting: TrainingSetting
    private let task: Int

    /// What a strategy adds to the replica.
    struct Update {
        /// The training step of this worker.
        var step: Operation
        /// The variables of the optimizer.
        var variables: [Variable]
        /// The number of updates when the step read the variables; nil if it need not be known.
        var readCount: Output?
        /// Runs before the first step.
        var preparation: Operation?
        /// Handles of what stays on the servers until it is destroyed.
        var resources: [Output] = []
        /// The loop of the chief.
        var loop: UpdateLoop?
    }

    init(_ model: ModelGraph, _ setting: TrainingSetting, task: Int) {
        self.model = model
        self.setting = setting
        self.task = task
    }

    /// Builds the graph and the client.
    /// - Parameter update: builds the update from the gradients, in the device scope of the replica.
    func client(
        _ update: (_ builder: GraphBuilder, _ gradients: [(Variable, Output)], _ globalStep: Variable) -> Update
    ) throws(Status) -> TrainingClient {
        let builder = GraphBuilder(registry: .standard)
        let master = DeviceName(job: "worker", replica: nil, task: task)
        let device = master.description + (setting.devices.first ?? "")
        let setter = ReplicaDeviceSetter(parameterServers: setting.parameterServerCount, worker: device, balance: setting.balance)
        let (globalStep, declared, replica, added) = try builder.device(setter.device) { () throws(Status) in
            let globalStep = builder.variable("global_step") { builder.scalar(0, .int64) }
            let declared = try model.declareVariables(in: builder)
            let replica = try builder.nameScope("replica") { () throws(Status) in try model.replica(in: builder, variables: declared) }
            let gradients = builder.gradients(of: replica.loss, with: declared.parameters)
            return (globalStep, declared, replica, update(builder, [(Variable, Output)](zip(declared.parameters, gradients)), globalStep))
        }
        let variables = [globalStep] + declared.all + added.variables
        let isChief = task == setting.workerTasks.first
        let updateCount = builder.device(setter.device) { builder.controlDependencies([added.step]) { globalStep.read() } }
        let resources = [globalStep.handle] + added.resources
        let forget = builder.group(
            resources.map { handle in builder.colocate(with: handle.operation) { builder.add("DestroyResourceOp", [handle]) } }, name: "forget")
        let isInitialized = builder.add("Pack", variables.map(\.isInitialized), name: "is_initialized")[0]
        let lifecycle = ClientLifecycle(
            initializer: isChief ? builder.group(variables.map(\.initializer), name: "initialize") : nil,
            awaited: (variables.map(\.name), isInitialized), preparation: added.preparation, forget: isChief ? forget : nil)
        let number = setting.workerTasks.firstIndex(of: task) ?? 0
        var client = TrainingClient(
            worker: number, master: master, graph: try builder.graph(),
            shards: [BatchShard(number, inputs: replica.inputs, loss: replica.loss)], step: added.step, updateCount: updateCount, lifecycle: lifecycle)
        // A client needs the parameter servers and its own worker only; without this filter it would wait for all workers.
        client.deviceFilters = ["/job:ps", "/job:worker/task:\(task)"]
        client.readCount = added.readCount
        client.updates = isChief ? added.loop : nil
        client.evaluation = replica
        client.parameters = Dictionary(zip(model.parameters.map(\.name), declared.parameters.map(\.value)), uniquingKeysWith: { a, _ in a })
        return client
    }
}
