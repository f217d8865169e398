public import WeirGraph
import WeirOps
import WeirTensor
import WeirWire

/// Synchronous replicas: the gradients of several workers are accumulated on the parameter servers, averaged and applied once;
/// then all workers continue. Chen et al., *Revisiting Distributed Synchronous SGD*, 2016; TensorFlow's
/// `SyncReplicasOptimizer`.
///
/// Each variable has a conditional accumulator on its device, which drops gradients of older steps. A worker adds its gradients
/// and waits for a token. The chief takes the averages when enough gradients have arrived, applies them, and enqueues one token
/// for each worker, in a `Run` into a queue of the worker's own: of one queue, a fast worker could take a slow one's token and give two
/// gradients to an update. When fewer gradients are required than there are workers, the other workers are backups.
public struct SyncReplicasOptimizer: Sendable {
    /// The step of a worker: adds gradients, then waits for the token which says that an update was applied.
    public let workerStep: Operation
    /// The step of the chief, for a loop of its own: waits for gradients, applies them, increments the step, enqueues tokens.
    public let chiefStep: Operation
    /// Whether the chief may have two steps in flight, so that the servers begin the second one as soon as the first one ends. It is
    /// false unless it was asked for, and if the optimizer uses variables before its turn, as `Adam` does for its powers.
    public let allowsOverlap: Bool
    /// What the chief runs once before its first step, with the initializers of the variables.
    public let initializers: [Operation]
    /// Sets this worker's local step to the global step. Each worker runs it before training.
    public let localInitializer: Operation
    /// Sets this worker's local step to the global step while other workers train, after this one was lost. It does not touch the
    /// accumulators, which know their step: set back, they would take gradients that are stale.
    public let localReset: Operation
    /// The number of updates so far.
    public let globalStep: Variable
    /// The step from which this worker read the variables; marks its gradients. In a `Run`, its first stamp is added.
    public let localStep: Variable
    /// The variables of the optimizer.
    public let variables: [Variable]
    /// The moving averages that are evaluated in place of the trained variables; empty if the variables are evaluated.
    public let averages: [(variable: Variable, average: Variable)]
    /// Closes the token queue, which ends training: waiting workers get OUT_OF_RANGE instead of a token.
    public let closeTokens: Operation
    /// The handles of the accumulators and the queues, and in a `Run` of `awaited` and all local steps. These stay on the servers until they are destroyed.
    public let resources: [Output]
    /// Empties the accumulators that cannot be destroyed, those of sparse gradients. To run when no step runs.
    public let resets: [Operation]
    /// What `initializers` sets, so that all workers wait for it before they run `localInitializer`: a variable if there is a `Run`.
    public let awaited: [Variable]
    /// How many gradients of each worker the chief's step used for each variable, `int32` of shape `[variables, workers]`; nil if no
    /// ledger is kept. To be fetched with `chiefStep`.
    public let contributions: Output?

    /// What keeps a training apart from one on the same servers that was killed before. A step of the old one may still run there: it finds
    /// other queues, so it takes none of the new one's tokens, and its gradients are older than all of the new one's, so they are dropped.
    public struct Run: Sendable {
        /// The end of the names of queues and local steps. All workers of a training have the same, no other training has.
        public var suffix: String
        /// The names of all workers, whose local steps the chief destroys at the end.
        public var workerNames: [String]
        /// What marks the gradients of the first step. Only the chief's counts. It is later than all marks of earlier trainings, which make
        /// fewer than 2²⁰ steps in a millisecond.
        public var firstStamp = Int64(clamping: Int(Event.now * 1000)) << 20
        /// A run that begins now.
        public init(suffix: String, workerNames: [String]) {
            self.suffix = suffix
            self.workerNames = workerNames
        }
    }

    /// - Parameters:
    ///   - gradients: the variables with their gradients.
    ///   - required: the number of gradients that are averaged for one update.
    ///   - workerCount: the number of workers, and so of tokens for each update.
    ///   - workerName: distinguishes this worker's local step from those of the others.
    ///   - ledgerWorker: the number of this worker, from 0, if `contributions` are wanted; nil otherwise. All workers of a training
    ///     give theirs, or none does.
    ///   - overlaps: whether the chief is to have two steps in flight, if `allowsOverlap` says then that it may. They take turns: a
    ///     step takes gradients when the step before has updated all variables, so it cannot take what the other one needs.
    ///   - run: keeps this training apart from earlier ones; nil if the servers are new.
    public init(
        _ builder: GraphBuilder, _ optimizer: any Optimizer, _ gradients: [VariableGradient], globalStep: Variable,
        required: Int, workerCount: Int, workerName: String, ledgerWorker: Int? = nil, overlaps: Bool = false, run: Run? = nil
    ) {
        self.globalStep = globalStep
        let counts = 1...Int(Int32.max)
        if !counts.contains(required) || !counts.contains(workerCount) {
            builder.record(.invalidArgument("Expected at least 1 gradient for an update and 1 worker, found \(required) and \(workerCount)"))
        }
        if let ledgerWorker, !(0..<max(1, workerCount)).contains(ledgerWorker) {
            builder.record(.invalidArgument("Expected the number of one of \(workerCount) workers for the ledger, found \(ledgerWorker)"))
        }
        let suffix = run?.suffix ?? ""
        func localStepName(_ worker: String) -> String { "sync/local_step/\(worker)\(suffix)" }
        let localStep = builder.colocate(with: globalStep.handle.operation) {
            builder.variable(localStepName(workerName)) { builder.scalar(0, .int64) }
        }
        self.localStep = localStep
        let firstStamp = run.map { run in
            builder.colocate(with: globalStep.handle.operation) {
                builder.variable("sync/first_stamp") { builder.constant(Tensor(run.firstStamp)) }
            }
        }
        let awaitedByAll: [Variable] = firstStamp.map { [$0] } ?? []
        awaited = awaitedByAll
        func stamped(_ step: Output) -> Output {
            guard let firstStamp else { return step }
            return step + firstStamp.value
        }
        func queue(_ base: String) -> Output {
            let name = base + suffix
            return builder.fifoQueue(types: [.int64], shapes: [.scalar], sharedName: name, name: name).handle
        }
        func dequeue(_ queue: Output) -> Output { builder.add("QueueDequeueV2", [queue], attributes: ["component_types": .types([.int64])])[0] }
        let onStepDevice = { (body: () -> Output) in builder.colocate(with: globalStep.handle.operation, body) }
        let turns = overlaps ? onStepDevice { queue("sync/turn_queue") } : nil
        let turn = turns.map { turns in onStepDevice { dequeue(turns) }.operation }
        let settings = GradientAccumulation.Settings(
            localStep: localStep, stamp: onStepDevice { stamped(globalStep.value) }, required: required, workerCount: max(1, workerCount),
            ledgerWorker: ledgerWorker, turn: turn.map { [$0] } ?? [])
        let accumulations = gradients.map { gradient in
            switch gradient.value {
            case .dense(let output): GradientAccumulation.dense(builder, gradient.variable, output, settings)
            case .sparse(let indices, let rows): GradientAccumulation.sparse(builder, gradient.variable, indices: indices, rows: rows, settings)
            }
        }
        let update = builder.apply(optimizer, accumulations.map(\.mean), globalStep: globalStep, after: settings.turn)
        variables = update.variables
        averages = update.averages
        let tokens: [Output]
        let drained: Operation?
        (tokens, drained, workerStep, chiefStep, closeTokens, initializers) = builder.colocate(with: globalStep.handle.operation) {
            func tokenQueue(_ worker: String) -> Output { queue(run == nil ? "sync/token_queue" : "sync/token_queue/\(worker)") }
            let own = tokenQueue(workerName)
            // A backup's gradient may miss an update, whose token then lies in its queue. It takes all that are there, and begins a step
            // only after an update that it has not seen: so no update gets two gradients of one worker.
            func drain() -> Operation? {
                guard run != nil, required < workerCount else { return nil }
                let size = builder.add("QueueSizeV2", [own])[0]
                return builder.add("QueueDequeueManyV2", [own, size], attributes: ["component_types": .types([.int64])])[0].operation
            }
            let others = (run?.workerNames ?? []).filter { $0 != workerName }.map(tokenQueue)
            let workerStep = builder.controlDependencies(accumulations.map(\.apply)) {
                // If the chief has begun anew meanwhile, the gradient was dropped, and no token would come. Then the local step is destroyed.
                let marked = localStep.read()
                let token = builder.controlDependencies([marked.operation]) { dequeue(own) }
                // The token says that an update was applied. The step is read after it, because a token that a dead worker left
                // over may be old, and an old local step would cause the next gradient to be dropped.
                let last = builder.controlDependencies([token.operation]) { drain() } ?? token.operation
                return builder.controlDependencies([last]) { localStep.assign(stamped(globalStep.read())) }
            }
            func pass(_ turns: Output) -> Operation { builder.add("QueueEnqueueV2", [turns, builder.scalar(0, .int64)]) }
            let chiefStep = builder.controlDependencies([update.operation]) {
                let step = globalStep.read()
                var released: [Operation] = []
                if run == nil {
                    let count = builder.constant(Tensor([Int32(clamping: workerCount)]))
                    let many = builder.add("Fill", [count, step])[0]
                    released = [builder.add("QueueEnqueueManyV2", [own, many], attributes: ["Tcomponents": .types([.int64])])]
                } else {
                    released = ([own] + others).map { builder.add("QueueEnqueueV2", [$0, step]) }
                }
                let all = (turns.map { [pass($0)] } ?? []) + released
                return all.count == 1 ? all[0] : builder.group(all, name: "sync/chief_step")
            }
            let closes = ([own] + others).map { builder.add("QueueCloseV2", [$0], attributes: ["cancel_pending_enqueues": true]) }
            let close = closes.count == 1 ? closes[0] : builder.group(closes, name: "sync/close_tokens")
            let first: [Operation] = (turns.map { [pass($0)] } ?? []) + awaitedByAll.map(\.initializer)
            return ([own] + others, drain(), workerStep, chiefStep, close, first)
        }
        let step = chiefStep
        allowsOverlap = turn.map { !builder.usesVariables(in: step, before: [$0]) } ?? false
        var kept: [Output] = accumulations.compactMap(\.handle) + tokens
        if let turns { kept.append(turns) }
        if let firstStamp, let run {
            kept += [firstStamp.handle, localStep.handle]
            for worker in run.workerNames where worker != workerName {
                let attributes: Attributes = [
                    "dtype": .type(.int64), "shape": .shape(PartialShape(.scalar)), "shared_name": .string(localStepName(worker)),
                ]
                kept.append(onStepDevice { builder.add("VarHandleOp", name: "local_step", attributes: attributes)[0] })
            }
        }
        resources = kept
        let rows = accumulations.compactMap(\.contributions)
        contributions = rows.isEmpty ? nil : builder.colocate(with: globalStep.handle.operation) { builder.add("Pack", rows)[0] }
        let assign = builder.colocate(with: localStep.handle.operation) { localStep.assign(stamped(globalStep.value)) }
        resets = accumulations.compactMap(\.reset)
        localReset =
            drained.map { drained in
                builder.colocate(with: localStep.handle.operation) {
                    builder.controlDependencies([drained]) { localStep.assign(stamped(globalStep.read())) }
                }
            } ?? assign
        localInitializer = builder.group([assign] + accumulations.map(\.setStep), name: "sync/local_init")
    }

    /// The same with dense gradients.
    public init(
        _ builder: GraphBuilder, _ optimizer: any Optimizer, _ gradients: [(Variable, Output)], globalStep: Variable,
        required: Int, workerCount: Int, workerName: String, ledgerWorker: Int? = nil, overlaps: Bool = false, run: Run? = nil
    ) {
        self.init(
            builder, optimizer, gradients.map { VariableGradient($0, .dense($1)) }, globalStep: globalStep, required: required,
            workerCount: workerCount, workerName: workerName, ledgerWorker: ledgerWorker, overlaps: overlaps, run: run)
    }
}
