public import WeirGraph
import WeirTensor

/// Synchronous replicas: the gradients of several workers are accumulated on the parameter servers, averaged and applied once;
/// then all workers continue. Chen et al., *Revisiting Distributed Synchronous SGD*, 2016; TensorFlow's
/// `SyncReplicasOptimizer`.
///
/// Each variable has a conditional accumulator on its device, which drops gradients of older steps. A worker adds its gradients
/// and waits for a token. The chief takes the averages when enough gradients have arrived, applies them, and enqueues one token
/// for each worker. When fewer gradients are required than there are workers, the other workers are backups.
public struct SyncReplicas: Sendable {
    /// The step of a worker: adds gradients, then waits for the token which says that an update was applied.
    public let workerStep: Operation
    /// The step of the chief, for a loop of its own: waits for gradients, applies them, increments the step, enqueues tokens.
    public let chiefStep: Operation
    /// Sets this worker's local step to the global step. Each worker runs it before training.
    public let localInitializer: Operation
    /// The number of updates so far.
    public let globalStep: Variable
    /// The step from which this worker read the variables; marks its gradients.
    public let localStep: Variable
    /// The variables of the optimizer.
    public let variables: [Variable]
    /// Closes the token queue, which ends training: waiting workers get OUT_OF_RANGE instead of a token.
    public let closeTokens: Operation
    /// The handles of the accumulators and the token queue. These stay on the servers until they are destroyed.
    public let resources: [Output]

    /// - Parameters:
    ///   - gradients: the variables with their gradients.
    ///   - required: the number of gradients that are averaged for one update.
    ///   - workerCount: the number of workers, and so of tokens for each update.
    ///   - workerName: distinguishes this worker's local step from those of the others.
    public init(
        _ builder: GraphBuilder, _ optimizer: any Optimizer, _ gradients: [(Variable, Output)], globalStep: Variable,
        required: Int, workerCount: Int, workerName: String
    ) {
        self.globalStep = globalStep
        let counts = 1...Int(Int32.max)
        if !counts.contains(required) || !counts.contains(workerCount) {
            builder.record(.invalidArgument("Expected at least 1 gradient for an update and 1 worker, found \(required) and \(workerCount)"))
        }
        let localStep = builder.colocate(with: globalStep.handle.operation) {
            builder.variable("sync/local_step/\(workerName)") { builder.scalar(0, .int64) }
        }
        self.localStep = localStep
        var applies: [Operation] = []
        var setSteps: [Operation] = []
        var averages: [(Variable, Output)] = []
        var handles: [Output] = []
        for (variable, gradient) in gradients {
            let accumulator = builder.colocate(with: variable.handle.operation) {
                builder.add(
                    "ResourceConditionalAccumulator", name: "\(variable.name)/grad_accum",
                    attributes: [
                        "dtype": .type(variable.dtype), "shape": .shape(PartialShape(variable.shape)),
                        "shared_name": .string("\(variable.name)/grad_accum"),
                    ])[0]
            }
            handles.append(accumulator)
            builder.colocate(with: accumulator.operation) {
                applies.append(
                    builder.add(
                        "ResourceAccumulatorApplyGradient", [accumulator, localStep.value, gradient],
                        attributes: ["dtype": .type(variable.dtype)]))
                let average = builder.add(
                    "ResourceAccumulatorTakeGradient", [accumulator, builder.scalar(Double(required), .int32)],
                    attributes: ["dtype": .type(variable.dtype)])[0]
                averages.append((variable, average))
                setSteps.append(builder.add("ResourceAccumulatorSetGlobalStep", [accumulator, globalStep.value]))
            }
        }
        let update = builder.apply(optimizer, averages, globalStep: globalStep)
        variables = update.variables
        (workerStep, chiefStep, closeTokens) = builder.colocate(with: globalStep.handle.operation) {
            let tokens = builder.add(
                "FIFOQueueV2", name: "sync/token_queue",
                attributes: [
                    "component_types": .types([.int64]), "shapes": .shapes([.scalar]), "capacity": -1,
                    "shared_name": "sync/token_queue",
                ])[0]
            handles.append(tokens)
            let workerStep = builder.controlDependencies(applies) {
                let token = builder.add("QueueDequeueV2", [tokens], attributes: ["component_types": .types([.int64])])[0]
                // The token says that an update was applied. The step is read after it, because a token that a dead worker left
                // over may be old, and an old local step would cause the next gradient to be dropped.
                return builder.controlDependencies([token.operation]) { localStep.assign(globalStep.read()) }
            }
            let chiefStep = builder.controlDependencies([update.operation]) {
                let step = globalStep.read()
                let count = builder.constant(Tensor([Int32(clamping: workerCount)]))
                let many = builder.add("Fill", [count, step])[0]
                return builder.add("QueueEnqueueManyV2", [tokens, many], attributes: ["Tcomponents": .types([.int64])])
            }
            let close = builder.add("QueueCloseV2", [tokens], attributes: ["cancel_pending_enqueues": true])
            return (workerStep, chiefStep, close)
        }
        let assign = builder.colocate(with: localStep.handle.operation) { localStep.assign(globalStep.value) }
        resources = handles
        localInitializer = builder.group([assign] + setSteps, name: "sync/local_init")
    }
}
