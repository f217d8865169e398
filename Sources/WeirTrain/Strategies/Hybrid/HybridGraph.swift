import WeirGraph
import WeirOps
import WeirTensor

/// The graph of one worker's client, with sparse variables on the parameter servers and dense ones on the worker.
struct HybridGraph {
    private let setting: TrainingSetting
    /// The number of the worker, from 0. The first one updates the sparse variables.
    private let worker: Int
    private let bucketByteCount: Int
    private let builder = GraphBuilder(registry: .standard)
    private var isFirst: Bool { worker == 0 }

    init(_ setting: TrainingSetting, worker: Int, bucketByteCount: Int) {
        self.setting = setting
        self.worker = worker
        self.bucketByteCount = bucketByteCount
    }

    /// Builds the client.
    /// - Parameters:
    ///   - task: the worker's task.
    ///   - devices: the device of each tower, at least one.
    func client(_ model: ModelGraph, task: Int, devices: [String]) throws(Status) -> TrainingClient {
        let (globalStep, declared) = try declare(model, home: devices[0])
        let towers = try Towers(model, in: builder, variables: declared, devices: devices)
        let isSparse = { (variable: Variable) in declared.gathered.contains(variable.handle) }
        let own = [globalStep] + declared.all.filter { !isSparse($0) }
        var exchange = WorkerExchange(
            builder, worker: worker, of: setting.workerTasks.count, runNumber: setting.runNumber, variables: own, bucketByteCount: bucketByteCount)
        let means = exchange.means(towers.gradients.filter { !isSparse($0.variable) })
        var queues = GradientQueues(builder, workerCount: setting.workerTasks.count, runSuffix: setting.runSuffix)
        // The loss has gathered all the rows that it needs, also those that no gradient depends on. So no update can come before.
        let gathered = towers.replicas.map(\.loss.operation)
        let sparse = towers.gradients.filter { isSparse($0.variable) }.map { $0.waiting(for: gathered, on: devices[0]) }
        let optimizer = setting.optimizer
        // Both updates have the number of updates in common, and so the learning rate. The first counts it when both have it.
        let number = builder.updateStep(optimizer, towers.gradients, globalStep: globalStep)
        // The first worker has the gradients of all variables; the others get their norm from it.
        let taken = isFirst ? sparse.map { queues.mean($0) } : []
        let hasDense = !means.isEmpty
        let clipped = GradientClipping.apply(optimizer.clipping, means + taken, in: builder) { own in
            hasDense ? exchange.shared(own, beside: globalStep) : own
        }
        let update = builder.apply(optimizer, clipped.filter { !isSparse($0.variable) }, step: number, counting: globalStep)
        var shared: [Variable] = []
        var averages = update.averages
        var ends: [Operation] = []
        if isFirst {
            let sparseUpdate = builder.apply(optimizer, clipped.filter { isSparse($0.variable) }, step: number, counting: nil)
            shared = declared.all.filter(isSparse) + sparseUpdate.variables
            averages += sparseUpdate.averages
            ends = [sparseUpdate.operation]
        } else {
            ends = sparse.map { queues.send($0, from: worker) }
        }
        ends.append(exchange.completion(of: isFirst ? ends : [], beside: globalStep))
        let step = builder.colocate(with: globalStep.handle.operation) { builder.group([update.operation] + ends, name: "training_step") }

        // The other workers are ready only when the servers' variables are, because the first worker sends its global step after that.
        let sharedInitializers = shared.map(\.initializer)
        let initializers =
            exchange.initializers([globalStep], after: sharedInitializers) + exchange.initializers(Array(own.dropFirst()))
            + exchange.initializers(ofCopies: update.copies)
        var graph = GradientGraph(
            builder, globalStep: globalStep, variables: declared.all, gradients: towers.gradients, shards: towers.shards,
            evaluation: towers.replicas[0], parameters: declared.values)
        graph.numberShards(from: worker * graph.shards.count)
        let forget = isFirst && !queues.removals.isEmpty ? builder.group(queues.removals, name: "forget") : nil
        var client = try graph.client(
            worker: worker, master: TrainingSetting.worker(task), step: step,
            initializers: initializers + sharedInitializers + update.others.map(\.initializer),
            state: own.dropFirst() + update.variables + shared, averages: averages)
        client.lifecycle.forget = forget
        client.deviceFilters = ["/job:ps", "/job:worker/task:\(task)"]
        return client
    }

    /// Declares the variables: those of which the model only gathers rows on the parameter servers, cut as the setting says, the others
    /// on the worker's first device.
    private func declare(_ model: ModelGraph, home: String) throws(Status) -> (globalStep: Variable, declared: DeclaredVariables) {
        let setter = ReplicaDeviceSetter(parameterServers: setting.parameterServerCount, worker: home, balance: setting.balance)
        let sparse = model.parameters.filter(\.isGathered)
        return try builder.device(home) { () throws(Status) in
            let globalStep = builder.globalStep()
            let declared = try model.declareVariables(in: builder, partitioning: setting.partitioning, cuttable: sparse) { variable, declare in
                guard sparse.contains(where: { $0.handle == variable.handle }) else { return declare() }
                // Outside of the worker's scope, whose kind of device is not that of the servers.
                return builder.device(nil) { builder.device(setter.device, declare) }
            }
            return (globalStep, declared)
        }
    }
}

extension VariableGradient {
    /// The same gradient, on a device, which is there after these operations.
    fileprivate func waiting(for operations: [Operation], on device: String) -> VariableGradient {
        let builder = variable.handle.builder
        return builder.device(device) {
            builder.controlDependencies(operations) { VariableGradient(variable, value.mapped { $0.identity() }) }
        }
    }
}
