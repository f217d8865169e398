import WeirGraph
import WeirOps
import WeirTensor

/// The graph that one worker's client builds: the variables on the parameter servers, its own copy of the computation, and
/// the update of the strategy. All clients declare the same variables, and so share them.
struct ReplicaGraph: Sendable {
    let graph: Graph
    let features: Output
    let labels: Output
    let loss: Output
    let accuracy: Output
    /// The training step of this worker.
    let step: Operation
    /// The global step after this worker's step: the number of updates so far.
    let updateCount: Output
    let sync: SyncReplicas?
    let initializer: Operation
    /// Destroys the state of one training: the global step, the accumulators, the token queue.
    let forget: Operation
    /// A bool vector: whether each of `variables` is initialized.
    let isInitialized: Output
    let variables: [Variable]

    init(_ trainer: Trainer, task: Int) throws {
        let options = trainer.options
        let builder = GraphBuilder(registry: .standard)
        let setter = ReplicaDeviceSetter(
            parameterServers: trainer.parameterServerCount, worker: "/job:worker/task:\(task)", balance: options.balance)
        let table = trainer.train
        let built = builder.device(setter.device) { () -> Parts in
            let globalStep = builder.variable("global_step") { builder.scalar(0, .int64) }
            let network = DenseNetwork(
                inputCount: table.featureCount, hidden: options.hidden, classCount: table.classes.count, seed: options.seed
            ).build(builder)
            func placeholder(_ name: String, _ dtype: DType, _ shape: PartialShape) -> Output {
                builder.add("Placeholder", name: name, attributes: ["dtype": .type(dtype), "shape": .shape(shape)])[0]
            }
            let features = placeholder("features", .float32, [nil, table.featureCount])
            let labels = placeholder("labels", .int32, [nil])
            let logits = network.logits(features)
            let loss = network.loss(logits, labels: labels)
            let gradients = [(Variable, Output)](zip(network.parameters, builder.gradients(of: loss, with: network.parameters)))
            var sync: SyncReplicas?
            let step: Operation
            var variables = [globalStep] + network.parameters
            if options.strategy == .sync {
                let made = SyncReplicas(
                    builder, options.optimizer, gradients, globalStep: globalStep, required: trainer.requiredReplicas,
                    workerCount: trainer.workerTasks.count, workerName: "worker\(task)")
                variables += made.variables
                step = made.workerStep
                sync = made
            } else {
                let update = builder.apply(options.optimizer, gradients, globalStep: globalStep)
                variables += update.variables
                step = update.operation
            }
            let updateCount = builder.controlDependencies([step]) { globalStep.read() }
            return Parts(
                features: features, labels: labels, loss: loss, accuracy: network.accuracy(logits, labels: labels),
                globalStep: globalStep, step: step, updateCount: updateCount, sync: sync, variables: variables)
        }
        initializer = builder.group(built.variables.map(\.initializer), name: "initialize")
        let passing = [built.globalStep.handle] + (built.sync?.resources ?? [])
        forget = builder.group(
            passing.map { handle in builder.colocate(with: handle.operation) { builder.add("DestroyResourceOp", [handle]) } },
            name: "forget")
        isInitialized = builder.add("Pack", built.variables.map(\.isInitialized), name: "is_initialized")[0]
        graph = try builder.graph()
        (features, labels, loss, accuracy) = (built.features, built.labels, built.loss, built.accuracy)
        (step, updateCount, sync, variables) = (built.step, built.updateCount, built.sync, built.variables)
    }

    private struct Parts {
        let features: Output, labels: Output, loss: Output, accuracy: Output
        let globalStep: Variable
        let step: Operation
        let updateCount: Output
        let sync: SyncReplicas?
        let variables: [Variable]
    }
}
