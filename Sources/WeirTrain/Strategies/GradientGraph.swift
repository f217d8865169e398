public import WeirGraph
import WeirOps
import WeirTensor

/// The graph of one client up to the gradients of a step. What is missing is the update of the variables.
public struct GradientGraph: Sendable {
    /// The builder of the graph.
    public let builder: GraphBuilder
    /// The number of updates, an `int64` scalar.
    public let globalStep: Variable
    /// The model's variables, or their parts, trained or not. Each is declared in the device scope of one device, because
    /// `AllReduceReplicas` sums gradients there.
    public let variables: [Variable]
    /// The gradients of the trained variables, or of their parts: means over all rows of a step.
    public let gradients: [VariableGradient]
    /// The parts of a step's rows.
    public private(set) var shards: [BatchShard]
    /// Computes predictions and metrics.
    public let evaluation: ModelReplica
    /// The whole values of the trained variables, by their names in the model.
    public let parameters: [String: Output]

    /// Describes a graph.
    public init(
        _ builder: GraphBuilder, globalStep: Variable, variables: [Variable], gradients: [VariableGradient], shards: [BatchShard],
        evaluation: ModelReplica, parameters: [String: Output]
    ) {
        self.builder = builder
        self.globalStep = globalStep
        self.variables = variables
        self.gradients = gradients
        self.shards = shards
        self.evaluation = evaluation
        self.parameters = parameters
    }

    /// Numbers the parts of a step's rows, of which other clients have those before `first`.
    mutating func numberShards(from first: Int) { for index in shards.indices { shards[index].number = first + index } }

    /// The plan of one client that updates the variables with these gradients.
    func plan(_ setting: TrainingSetting) throws(Status) -> TrainingPlan {
        let update = builder.apply(setting.optimizer, gradients, globalStep: globalStep)
        let initializers = ([globalStep] + variables + update.variables).map(\.initializer)
        let client = try client(
            worker: 0, master: setting.firstWorker, step: update.operation, initializers: initializers, state: variables + update.variables,
            averages: update.averages)
        // The graph may have nodes on each worker that every step needs.
        return TrainingPlan(clients: [client], requiredWorkers: max(1, setting.workerTasks.count))
    }

    /// The client of a worker.
    /// - Parameters:
    ///   - step: updates the variables, and counts the update.
    ///   - initializers: what initializes all variables, those of the optimizer too.
    ///   - state: the variables that the client has or shares, but for the number of updates: what a checkpoint holds.
    ///   - averages: the moving averages that are evaluated in place of the variables.
    func client(
        worker: Int, master: DeviceName?, step: Operation, initializers: [Operation], state: [Variable],
        averages: [(variable: Variable, average: Variable)]
    ) throws(Status) -> TrainingClient {
        let (updateCount, initializer) = builder.colocate(with: globalStep.handle.operation) {
            (builder.controlDependencies([step]) { globalStep.read() }, builder.group(initializers, name: "initialize"))
        }
        let evaluation = try self.evaluation.reading(averages)
        let averaged = try averages.values(of: parameters, in: builder)
        var client = TrainingClient(
            worker: worker, master: master, graph: try builder.graph(), shards: shards, step: step, updateCount: updateCount,
            lifecycle: ClientLifecycle(initializer: initializer))
        client.evaluation = evaluation
        client.parameters = parameters
        client.averages = averaged
        client.state = TrainingState(globalStep: globalStep, variables: state)
        return client
    }
}
