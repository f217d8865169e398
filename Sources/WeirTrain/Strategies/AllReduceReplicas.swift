import WeirCluster
import WeirGraph
import WeirOps
public import WeirTensor

/// One client for each worker, each with variables of its own; the workers sum their gradients among themselves, without a
/// parameter server, and make the same update.
///
/// The gradients of a step are those of a fixed number of logical shards, each of one batch. Each worker computes an equal number
/// of consecutive shards. Sums are a balanced binary tree over the shards: training has the same bits on every worker, in every run,
/// and for any power of two of workers that share one power of two of shards.
public struct AllReduceReplicas: Strategy {
    /// `allreduce`.
    public let name = "allreduce"
    /// The number of logical shards: a multiple of the number of workers. nil means one for each worker.
    public var shards: Int?
    /// Gradients are sent together when they have this many bytes.
    public var bucketByteCount: Int
    /// Makes the strategy.
    public init(shards: Int? = nil, bucketByteCount: Int = 4 << 20) {
        self.shards = shards
        self.bucketByteCount = bucketByteCount
    }

    /// Makes one client for each worker; without workers, one client in this process.
    public func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        try setting.requireWholeVariables(self)
        let tasks = setting.workerTasks
        let workers = max(1, tasks.count)
        let shards = shards ?? workers
        guard shards > 0, shards % workers == 0, shards <= 1 << 12 else {
            throw .invalidArgument("Strategy 'allreduce' needs a number of shards that the \(workers) workers divide, at most 4096; found \(shards)")
        }
        guard bucketByteCount > 0 else { throw .invalidArgument("A bucket needs at least 1 byte, found \(bucketByteCount)") }
        var clients: [TrainingClient] = []
        for number in 0..<workers { clients.append(try client(number, tasks.isEmpty ? nil : tasks[number], workers, shards, model, setting)) }
        return TrainingPlan(clients: clients, requiredWorkers: workers)
    }

    private func client(
        _ number: Int, _ task: Int?, _ workers: Int, _ shards: Int, _ model: ModelGraph, _ setting: TrainingSetting
    ) throws(Status) -> TrainingClient {
        let builder = GraphBuilder(registry: .standard)
        let master = task.map { DeviceName(job: "worker", replica: nil, task: $0) }
        let device = (master?.description ?? "") + (setting.devices.first ?? "")
        return try builder.device(device) { () throws(Status) in
            let globalStep = builder.variable("global_step") { builder.scalar(0, .int64) }
            let declared = try model.declareVariables(in: builder)
            var replicas: [ModelReplica] = []
            var flows: [[Output]] = []
            for shard in 0..<shards / workers {
                try builder.nameScope("shard\(number * (shards / workers) + shard)") { () throws(Status) in
                    let replica = try model.replica(in: builder, variables: declared)
                    flows.append(builder.gradients(of: replica.loss, with: declared.parameters))
                    replicas.append(replica)
                }
            }
            let members = CollectiveNodes(builder, groupSize: workers)
            let sums = declared.parameters.indices.map { index in (declared.parameters[index].shape, builder.treeSum(of: flows.map { $0[index] })) }
            let buckets = GradientBuckets(declared.parameters.map { ($0.dtype, $0.shape.elementCount) }, byteCount: bucketByteCount)
            let means = builder.nameScope("all_reduce") {
                buckets.map(sums, in: builder) { bucket, sum in
                    let total = workers == 1 ? sum : members.sum(sum, instance: 1 + bucket)
                    return total * (1 / Double(shards))
                }
            }
            let update = builder.apply(setting.optimizer, [(Variable, Output)](zip(declared.parameters, means)), globalStep: globalStep)
            let updateCount = builder.controlDependencies([update.operation]) { globalStep.read() }
            // The first worker's initial values are everyone's, also where a random initial value has no seed.
            let first = buckets.buckets.count + 1
            let initializers = declared.all.enumerated().map { index, variable in
                workers == 1 ? variable.initializer : members.initialize(variable, isSource: number == 0, instance: first + index)
            }
            let initializer = builder.group(initializers + ([globalStep] + update.variables).map(\.initializer), name: "initialize")
            var client = TrainingClient(
                worker: number, master: master, graph: try builder.graph(),
                shards: replicas.enumerated().map { BatchShard(number * replicas.count + $0, inputs: $1.inputs, loss: $1.loss) },
                step: update.operation, updateCount: updateCount, lifecycle: ClientLifecycle(initializer: initializer))
            if let master { client.deviceFilters = ["\(master)"] }
            client.evaluation = replicas.first
            client.state = TrainingState(globalStep: globalStep, variables: declared.all + update.variables)
            client.parameters = Dictionary(zip(model.parameters.map(\.name), declared.parameters.map(\.value)), uniquingKeysWith: { a, _ in a })
            return client
        }
    }
}

/// The nodes of collective operations in one group.
struct CollectiveNodes {
    private let builder: GraphBuilder
    private let groupSize: Int
    /// The key of the group in its cluster.
    private let groupKey: Int

    init(_ builder: GraphBuilder, groupSize: Int, groupKey: Int = 1) {
        self.builder = builder
        self.groupSize = groupSize
        self.groupKey = groupKey
    }

    private func keys(_ instance: Int) -> [Output] {
        [groupSize, groupKey, instance].map { builder.scalar(Double($0), .int32) }
    }

    /// The sum of all members' values.
    func sum(_ value: Output, instance: Int) -> Output {
        builder.add(
            "CollectiveReduceV2", [value] + keys(instance), attributes: ["merge_op": .string("Add"), "final_op": .string("Id")])[0]
    }

    /// Sets a variable to the source's initial value on all members.
    func initialize(_ variable: Variable, isSource: Bool, instance: Int) -> Operation {
        let shape = builder.constant(Tensor(variable.shape.dimensions.map { Int64($0) }))
        guard isSource else {
            let value = builder.add(
                "CollectiveBcastRecvV2", keys(instance) + [shape], attributes: ["T": .type(variable.dtype), "Tshape": .type(.int64)])[0]
            return variable.assign(value)
        }
        let sent = builder.controlDependencies([variable.initializer]) {
            builder.add("CollectiveBcastSendV2", [variable.read()] + keys(instance))
        }
        return sent
    }
}
