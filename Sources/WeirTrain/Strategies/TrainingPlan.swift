public import WeirGraph
public import WeirTensor

/// The graphs and clients of one training: what a `Strategy` makes of a model.
public struct TrainingPlan: Sendable {
    /// The clients. The first is the chief: it initializes what all share.
    public var clients: [TrainingClient]
    /// The number of workers without which training cannot go on. The chief's worker is always needed.
    public var requiredWorkers: Int
    /// The number of gradients, each of one batch, that one update applies, so that others were dropped; nil if every gradient
    /// is applied.
    public var gradientsPerUpdate: Int?

    /// A plan of these clients.
    public init(clients: [TrainingClient], requiredWorkers: Int, gradientsPerUpdate: Int? = nil) {
        self.clients = clients
        self.requiredWorkers = requiredWorkers
        self.gradientsPerUpdate = gradientsPerUpdate
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
    /// Operations that wait until no other worker is too far behind, by the number of the other worker. The client runs those
    /// of the workers that are not lost before each step.
    public var gates: [Int: Operation] = [:]
    /// Computes predictions and metrics with the trained variables; nil if another client does.
    public var evaluation: ModelReplica?
    /// The variables, for checkpoints, with their names in the model; empty if another client has them.
    public var parameters: [String: Output] = [:]

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
    /// For a client that waits for the chief: the variables that must be initialized, with a bool vector that says which are.
    public var awaited: (names: [String], isInitialized: Output)?
    /// Runs before the first step, when all variables are initialized.
    public var preparation: Operation?
    /// Destroys what the servers keep for this training. The chief runs it before the initializer, because an earlier training
    /// may have been killed, and at the end.
    public var forget: Operation?

    /// A lifecycle.
    public init(
        initializer: Operation? = nil, awaited: (names: [String], isInitialized: Output)? = nil, preparation: Operation? = nil,
        forget: Operation? = nil
    ) {
        self.initializer = initializer
        self.awaited = awaited
        self.preparation = preparation
        self.forget = forget
    }
}

/// The loop of a chief that updates the variables from the gradients of all workers.
public struct UpdateLoop: Sendable {
    /// Waits for gradients, applies them, and lets the workers go on.
    public var step: Operation
    /// Ends the waiting of all workers.
    public var close: Operation
    /// For each worker, the number of variables that its gradients were used for in the update, of shape `[variables, workers]`;
    /// nil if no ledger is kept.
    public var contributions: Output?
    /// A loop.
    public init(step: Operation, close: Operation, contributions: Output? = nil) {
        self.step = step
        self.close = close
        self.contributions = contributions
    }
}
