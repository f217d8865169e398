public import WeirGraph
public import WeirTensor

/// Synchronous replicas: gradients of several workers are gathered on the parameter servers, averaged, applied once, and
/// only then does anybody go on. Chen et al., *Revisiting Distributed Synchronous SGD*, 2016.
///
/// Each variable has an accumulator beside it, which drops gradients that were computed from older values. A worker gives
/// its gradients and waits for a token; the chief takes the averages when enough have come, applies them, and gives out
/// as many tokens as there are workers. With fewer gradients required than there are workers the rest are backups.
public struct SyncReplicas: Sendable {
    /// One worker's step: give gradients, wait for the token that says they were applied.
    public let workerStep: Operation
    /// The chief's step, run in a loop of its own: wait for gradients, apply, count, give out tokens.
    public let chiefStep: Operation
    /// Sets this worker's step to the global one; run by each worker before training.
    public let localInitializer: Operation
    public let globalStep: Variable
    public let localStep: Variable
    /// The optimizer's own variables.
    public let variables: [Variable]
    /// Ends training: waiting workers get OUT_OF_RANGE instead of a token.
    public let closeTokens: Operation
    /// The handles of the accumulators and the token queue, which live on the servers until they are destroyed.
    public let resources: [Output]

    /// - Parameters:
    ///   - gradients: with their variables.
    ///   - required: gradients to average in one update.
    ///   - workerCount: workers that take part, and so tokens to give out.
    ///   - workerName: tells this worker's step counter from the others'.
    public init(
        _ builder: GraphBuilder, _ optimizer: any Optimizer, _ gradients: [(Variable, Output)], globalStep: Variable,
        required: Int, workerCount: Int, workerName: String
    ) {
        self.globalStep = globalStep
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
                // The token says that some update was applied; the step is read after it, so that a token left over by
                // a worker that died does not make the next gradient look old.
                return builder.controlDependencies([token.operation]) { localStep.assign(globalStep.read()) }
            }
            let chiefStep = builder.controlDependencies([update.operation]) {
                let step = globalStep.read()
                let count = builder.constant(Tensor([Int32(workerCount)]))
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
