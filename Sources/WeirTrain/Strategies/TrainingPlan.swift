public import WeirGraph
public import WeirTensor
import WeirWire

/// The graphs and clients of one training: what a `Strategy` makes of a model.
public struct TrainingPlan: Sendable {
    /// The clients. The first is the chief: it initializes what all share.
    public var clients: [TrainingClient]
    /// The number of workers without which training cannot go on. The chief's worker is always needed.
    public var requiredWorkers: Int
    /// The number of workers' gradients that one update needs, so that others are dropped; nil if every gradient is applied.
    public var gradientsPerUpdate: Int?
    /// Whether each worker has a client of its own, so that the clients can run in processes of their own
    /// (`Trainer.run(asWorker:)`), also if there is only one worker.
    public var hasClientForEachWorker: Bool
    /// Whether training can go on with the values that the parameter servers have when a worker is lost within a step, the chief's too.
    /// If not, it goes on from a checkpoint: an update may have been applied to some variables only.
    public var goesOnWithoutCheckpoint = false

    /// A plan of these clients.
    /// - Parameter hasClientForEachWorker: nil means that there are several clients.
    public init(clients: [TrainingClient], requiredWorkers: Int, gradientsPerUpdate: Int? = nil, hasClientForEachWorker: Bool? = nil) {
        self.clients = clients
        self.requiredWorkers = requiredWorkers
        self.gradientsPerUpdate = gradientsPerUpdate
        self.hasClientForEachWorker = hasClientForEachWorker ?? (clients.count > 1)
    }
}

/// One client: its graph, and what it runs in each step.
public struct TrainingClient: Sendable {
    /// The number of the worker that the client belongs to, counted from 0.
    public var worker: Int
    /// The task whose master the client uses, such as `/job:worker/task:1`; nil for a session in this process.
    public var master: DeviceName?
    /// The tasks that the session needs; empty means all of the cluster. See `SessionConfiguration.deviceFilters`.
    public var deviceFilters: [String] = []
    /// Whether no other client uses what this one has on servers. Then it is not shared with other sessions, so that trainings at the same
    /// time have variables of their own, and it is dropped at the end.
    public var ownsState = false
    /// The graph.
    public var graph: Graph
    /// The parts of a step's rows. Each is fed with a batch of its own.
    public var shards: [BatchShard]
    /// One training step.
    public var step: Operation
    /// The number of updates of the variables after the step, an `int64` scalar.
    public var updateCount: Output
    /// The number of updates when the step read the variables; nil if it is always one less than `updateCount`.
    public var readCount: Output?
    /// How the client begins and ends.
    public var lifecycle: ClientLifecycle
    /// Steps of the chief that run beside its training steps; nil if there are none.
    public var updates: UpdateLoop?
    /// What lets the workers' steps begin when one of them ends; nil if no step waits for other workers' steps.
    public var gates: StepGates?
    /// Computes predictions and metrics with the trained variables; nil if another client does.
    public var evaluation: ModelReplica?
    /// The values of the trained variables, with their names in the model; empty if another client has them.
    public var parameters: [String: Output] = [:]
    /// The values that are evaluated in place of those of `parameters`: whole moving averages, by the variables' names in the model.
    var averages: [String: Output] = [:]
    /// The variables that are the state of the training, for checkpoints; nil if another client has them.
    public var state: TrainingState?
    /// Saves and restores the state; nil unless checkpoints are wanted.
    var saver: Saver?

    /// A client.
    public init(
        worker: Int, master: DeviceName?, graph: Graph, shards: [BatchShard], step: Operation, updateCount: Output, lifecycle: ClientLifecycle
    ) {
        self.worker = worker
        self.master = master
        self.graph = graph
        self.shards = shards
        self.step = step
        self.updateCount = updateCount
        self.lifecycle = lifecycle
    }
}

/// The variables that are the state of a training: what a checkpoint holds.
public struct TrainingState: Sendable {
    /// The number of updates.
    public var globalStep: Variable
    /// The model's variables and the optimizer's.
    public var variables: [Variable]
    /// A state.
    public init(globalStep: Variable, variables: [Variable]) {
        self.globalStep = globalStep
        self.variables = variables
    }
}

extension TrainingClient {
    /// Adds nodes that save and restore the state.
    mutating func addSaver(_ checkpoint: TrainingCheckpoint, _ facts: CheckpointFacts) throws(Status) {
        guard let state else { return }
        let builder = state.globalStep.handle.builder
        saver = Saver(
            builder, [state.globalStep] + state.variables, facts: facts.tensors, maxToKeep: checkpoint.maxToKeep,
            keepEveryHours: checkpoint.keepEveryHours, layout: checkpoint.layout, now: { Event.now })
        graph = try builder.graph()
    }
}

/// A part of a step's rows: the placeholders that are fed, and the mean loss of the rows.
public struct BatchShard: Sendable {
    /// The number of the part among those of all clients, counted from 0. It decides which rows the part gets, so that the same
    /// part has the same rows whichever client has it.
    public var number: Int
    /// The placeholders by input name.
    public var inputs: [String: Output]
    /// The loss.
    public var loss: Output
    /// The number of rows, as a multiple of the batch size.
    public var batches: Int
    /// A part that is fed with `batches` batches.
    public init(_ number: Int, inputs: [String: Output], loss: Output, batches: Int = 1) {
        self.number = number
        self.inputs = inputs
        self.loss = loss
        self.batches = batches
    }
}

/// What a client runs before its first and after its last step.
public struct ClientLifecycle: Sendable {
    /// Initializes variables. The chief runs it, and so does each client that has variables of its own.
    public var initializer: Operation?
    /// What the initializer does besides setting the variables of the state. A training that begins with a checkpoint runs it in place
    /// of the initializer; nil if there is nothing.
    public var resourceInitializer: Operation?
    /// For a client that waits for the chief: the variables that must be initialized, with a bool vector that says which are.
    public var awaited: (names: [String], isInitialized: Output)?
    /// Runs before the first step, when all variables are initialized.
    public var preparation: Operation?
    /// Runs in place of the preparation when the worker was lost and has returned, while others make steps.
    public var returning: Operation?
    /// Destroys what the servers keep for this training. The chief runs it before the initializer, because an earlier training
    /// may have been killed, and at the end.
    public var forget: Operation?

    /// A lifecycle.
    public init(
        initializer: Operation? = nil, resourceInitializer: Operation? = nil, awaited: (names: [String], isInitialized: Output)? = nil,
        preparation: Operation? = nil, forget: Operation? = nil
    ) {
        self.initializer = initializer
        self.resourceInitializer = resourceInitializer
        self.awaited = awaited
        self.preparation = preparation
        self.forget = forget
    }
}

/// Ends the waiting of steps that begin only when other workers are not too far behind.
public struct StepGates: Sendable {
    /// By the number of another worker: this client's steps do not wait for it any more. Run when the worker is lost.
    public var open: [Int: Operation]
    /// The other workers do not wait for this one any more. Run after its last step.
    public var leave: Operation
    /// The operations of one client.
    public init(open: [Int: Operation], leave: Operation) {
        self.open = open
        self.leave = leave
    }
}

/// The loop of a chief that updates the variables from the gradients of all workers.
public struct UpdateLoop: Sendable {
    /// Waits for gradients, applies them, and lets the workers go on.
    public var step: Operation
    /// Ends the waiting of all workers.
    public var close: Operation
    /// How many gradients of each worker the update of each variable used: `int32` of shape `[variables, workers]`, where each part
    /// of a variable counts as a variable; nil if no ledger is kept.
    public var contributions: Output?
    /// How many steps may be in flight at a time, at least 1. With 2, the servers begin the next one when the last one ends, without
    /// waiting for the client.
    public var inFlight = 1
    /// A loop.
    public init(step: Operation, close: Operation, contributions: Output? = nil) {
        self.step = step
        self.close = close
        self.contributions = contributions
    }
}
