import WeirGraph
public import WeirTensor

/// One client for each worker, each with variables of its own; the workers sum their gradients among themselves, without a
/// parameter server, and make the same update.
///
/// Within a worker, another strategy can split the work over the worker's own devices: data × layers, data × tensors.
///
/// ```swift
/// AllReduceReplicas()                                        // a batch for each device of each worker
/// AllReduceReplicas(of: PipelineParallel(microBatches: 8))   // each worker is a pipeline
/// AllReduceReplicas(of: TensorParallel())                    // each worker's devices share the layers
/// ```
/// Sums of gradients have a fixed order, a balanced binary tree: training has the same bits on every worker, in every run, and if a
/// power of two of batches is computed by any power of two of workers with any power of two of devices.
public struct AllReduceReplicas: Strategy {
    package static let strategyName = "allreduce"
    /// `allreduce`.
    public let name = AllReduceReplicas.strategyName
    /// What each worker does.
    public var work: Work
    /// Gradients are sent together when they have this many bytes.
    public var bucketByteCount: Int

    /// What a worker does in a step.
    public enum Work: Sendable {
        /// Computes an equal number of consecutive batches, or shards, on each of its devices. `shards` is the number of all workers
        /// together, a multiple of the number of all devices; nil means one for each device.
        case towers(shards: Int?)
        /// What a strategy makes of the worker's own devices.
        case strategy(any InGraphStrategy)
    }

    /// Makes the strategy with a copy of the model for each batch.
    public init(shards: Int? = nil, bucketByteCount: Int = 4 << 20) {
        work = .towers(shards: shards)
        self.bucketByteCount = bucketByteCount
    }

    /// Makes the strategy with workers that split their work over their own devices.
    public init(of strategy: any InGraphStrategy, bucketByteCount: Int = 4 << 20) {
        work = .strategy(strategy)
        self.bucketByteCount = bucketByteCount
    }

    /// Makes one client for each worker; without workers, one client in this process.
    /// - Throws: `invalidArgument` when the devices do not divide the number of shards, and as the strategy of the workers does.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWholeVariables(self)
        let workerCount = max(1, setting.workerTasks.count)
        let inner: any InGraphStrategy
        switch work {
        case .towers(let shards): inner = InGraphReplication(shards: try setting.towerDevices(shards, self).count / workerCount)
        case .strategy(let strategy): inner = strategy
        }
        let byteCount = try GradientBuckets.checked(bucketByteCount)
        var clients: [TrainingClient] = []
        for number in 0..<workerCount {
            let task = setting.workerTasks.isEmpty ? nil : setting.workerTasks[number]
            let own = try setting.alone(task)
            var graph = try inner.gradientGraph(model.drawingOtherNumbers(UInt64(number)), own)
            graph.numberShards(from: number * graph.shards.count)
            let variables = [graph.globalStep] + graph.variables
            var exchange = WorkerExchange(
                graph.builder, worker: number, of: workerCount, runNumber: setting.runNumber, variables: variables, bucketByteCount: byteCount)
            let update = graph.builder.apply(setting.optimizer, exchange.means(graph.gradients), globalStep: graph.globalStep)
            let initializers = exchange.initializers(variables) + exchange.initializers(ofCopies: update.copies) + update.others.map(\.initializer)
            var client = try graph.client(
                worker: number, master: own.firstWorker, step: update.operation, initializers: initializers,
                state: graph.variables + update.variables, averages: update.averages)
            if let master = own.firstWorker {
                client.deviceFilters = ["\(master)"]
                client.ownsState = true
            }
            clients.append(client)
        }
        return TrainingPlan(clients: clients, requiredWorkers: workerCount, hasClientForEachWorker: !setting.workerTasks.isEmpty)
    }
}
