import WeirGraph
import WeirOps
import WeirTensor

/// The graph that one worker's client builds for between-graph replication: the variables on the parameter servers, its own copy
/// of the computation, and the update of the strategy. All clients declare the same variables, and so share them.
struct WorkerGraph {
    private let model: ModelGraph
    private let setting: TrainingSetting
    private let task: Int

    /// What a strategy adds before the replica.
    struct Beginning {
        /// The number of updates when the step read the variables; nil if it need not be known. It is read before them.
        var readCount: Output?
        /// Operations for which only a training step waits before it reads variables.
        var gates: [Operation] = []
    }

    /// What a strategy adds to the replica.
    struct Update {
        /// Updates the variables, or helps to.
        var step: Operation
        /// The variables of the optimizer.
        var variables: [Variable]
        /// The moving averages that are evaluated in place of the variables.
        var averages: [(variable: Variable, average: Variable)]
        /// Ends the training step, after the number of updates was read.
        var ending: () -> [Operation] = { [] }
        /// Runs with the initializer of the chief.
        var initializers: [Operation] = []
        /// Runs before the first step.
        var preparation: Operation?
        /// Runs in place of the preparation when the worker has returned.
        var returning: Operation?
        /// Variables that the chief's initializers set, for which all clients wait, and which are no state of the training.
        var awaited: [Variable] = []
        /// Handles of what stays on the servers until it is destroyed.
        var resources: [Output] = []
        /// Empties what stays on the servers and cannot be destroyed.
        var resets: [Operation] = []
        /// The loop of the chief.
        var loop: UpdateLoop?
    }

    init(_ model: ModelGraph, _ setting: TrainingSetting, task: Int) {
        self.model = model
        self.setting = setting
        self.task = task
    }

    /// Builds the client of the worker.
    /// - Parameters:
    ///   - beginning: adds what comes before the replica reads the variables.
    ///   - update: adds the step. It is called in the device scope of the worker's first device.
    func client(
        beginning: (_ builder: GraphBuilder, _ globalStep: Variable) -> Beginning = { _, _ in Beginning() },
        _ update: (_ builder: GraphBuilder, _ gradients: [VariableGradient], _ globalStep: Variable) -> Update
    ) throws(Status) -> TrainingClient {
        let builder = GraphBuilder(registry: .standard)
        let master = TrainingSetting.worker(task)
        let devices = setting.devices.map { master.description + $0 }
        let isChief = task == setting.workerTasks.first
        let setter = ReplicaDeviceSetter(parameterServers: setting.parameterServerCount, worker: devices[0], balance: setting.balance)
        return try builder.device(setter.device) { () throws(Status) -> TrainingClient in
            let globalStep = builder.globalStep()
            let declared = try model.declareVariables(in: builder, partitioning: setting.partitioning)
            let begun = beginning(builder, globalStep)
            let before = begun.gates + (begun.readCount.map { [$0.operation] } ?? [])
            let number = setting.workerTasks.firstIndex(of: task) ?? 0
            // Outside of the setter's scope: each tower has a device of its own.
            let towers = try builder.device(nil) { () throws(Status) in
                try Towers(model.drawingOtherNumbers(UInt64(number)), in: builder, variables: declared, devices: devices, after: before)
            }
            let added = update(builder, towers.gradients, globalStep)
            // An evaluation must not wait at the gates, nor read the number of updates, which the chief destroys when training ends.
            let needsOwn = !before.isEmpty
            let evaluation =
                try needsOwn
                ? builder.nameScope("evaluation") { () throws(Status) in try model.replica(in: builder, variables: declared) } : towers.replicas[0]
            let updateCount = builder.controlDependencies([added.step]) { globalStep.read() }
            let ending = builder.controlDependencies([updateCount.operation]) { added.ending() }
            let step =
                ending.isEmpty
                ? added.step
                : builder.colocate(with: globalStep.handle.operation) { builder.group([added.step] + ending, name: "training_step") }
            var client = TrainingClient(
                worker: number, master: master, graph: Graph(),
                shards: towers.shards(from: number * devices.count), step: step, updateCount: updateCount,
                lifecycle: lifecycle(builder, [globalStep] + declared.all + added.variables, globalStep, added, isChief: isChief))
            client.state = TrainingState(globalStep: globalStep, variables: declared.all + added.variables)
            // A client needs the parameter servers and its own worker only; without this filter it would wait for all workers.
            client.deviceFilters = ["/job:ps", "/job:worker/task:\(task)"]
            client.readCount = begun.readCount
            client.updates = isChief ? added.loop : nil
            client.evaluation = try evaluation.reading(added.averages)
            client.parameters = declared.values
            client.averages = try added.averages.values(of: declared.values, in: builder)
            client.graph = try builder.graph()
            return client
        }
    }

    private func lifecycle(
        _ builder: GraphBuilder, _ variables: [Variable], _ globalStep: Variable, _ added: Update, isChief: Bool
    ) -> ClientLifecycle {
        let destroyed = ([globalStep.handle] + added.resources).map { handle in
            builder.colocate(with: handle.operation) { builder.add("DestroyResourceOp", [handle]) }
        }
        // Outside of the worker's scope: a variable that has only a colocation, as those of optimizers, would be placed by it.
        let awaited = variables + added.awaited
        let flags = builder.device(nil) { awaited.map(\.isInitialized) }
        let isInitialized = builder.add("Pack", flags, name: "is_initialized")[0]
        let resources = isChief && !added.initializers.isEmpty ? builder.group(added.initializers, name: "initialize_resources") : nil
        var lifecycle = ClientLifecycle(
            initializer: isChief ? builder.group(variables.map(\.initializer) + added.initializers, name: "initialize") : nil,
            resourceInitializer: resources,
            awaited: (awaited.map(\.name), isInitialized), preparation: added.preparation,
            forget: isChief ? builder.group(destroyed + added.resets, name: "forget") : nil)
        lifecycle.returning = added.returning
        return lifecycle
    }
}
