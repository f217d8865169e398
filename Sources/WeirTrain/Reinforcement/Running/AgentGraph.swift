import WeirGraph
import WeirOps
import WeirTensor

/// The graph of an actor's or the learner's client: the agent's network with its variables, and the replay queue between them.
///
/// All clients build the same graph but for the device of what is computed, and so share the variables and the queue.
struct AgentGraph {
    /// Where the graph's parts are.
    struct Place {
        /// The number of parameter servers, which have the variables; 0 places all in this process.
        var parameterServers: Int
        /// The device that has the replay queue.
        var queue: String
        /// The device that computes.
        var computing: String
    }

    let builder: GraphBuilder
    let observations: Output
    let network: AgentNetwork
    /// The placeholders of what is sent, or learned from, in the order of the columns.
    let columns: [Output]
    /// Sends the columns to the queue. It waits while the queue is full.
    let enqueue: Operation
    /// Takes what was sent first. It waits while the queue is empty.
    let dequeue: [Output]
    /// Takes a credit, without which an actor collects nothing. It waits while there is none. Nil if the agent bounds nothing.
    let takeCredit: Operation?
    /// Gives an actor a credit.
    let giveCredit: Operation?
    /// Closes the queues. An actor that waits, or sends later, has an error.
    let close: Operation
    /// Updates the variables from the columns.
    let update: Operation
    let initializer: VariablesInitializer
    /// Drops the variables and the queue, which would stay on the servers.
    let forget: Operation
    /// Saves and restores the trained variables. The files are this process's.
    let saver: Saver

    /// - Parameter place: nil builds for a session in this process.
    init(_ options: ReinforcementOptions, _ space: EnvironmentBatch, at place: Place?, queueName: String) {
        let builder = GraphBuilder(registry: .standard)
        self.builder = builder
        let setter = place.map { ReplicaDeviceSetter(parameterServers: $0.parameterServers, worker: $0.computing) }
        func scoped<R>(_ body: () -> R) -> R { setter.map { builder.device($0.device, body) } ?? body() }
        let described = options.agent.columns(observationSize: space.observationSize)
        let placeholders = scoped {
            described.map { column in builder.placeholder(column.dtype, shape: PartialShape([nil] + column.shape), name: column.name) }
        }
        columns = placeholders
        observations = placeholders[0]
        let inputs = AgentInputs(
            builder, actionCount: space.actionCount, seed: options.seed,
            columns: Dictionary(zip(described.map(\.name), placeholders), uniquingKeysWith: { first, _ in first }))
        let network = scoped { builder.nameScope(options.agent.name) { options.agent.network(inputs) } }
        self.network = network
        update = scoped { options.agent.optimizer.minimize(network.loss, over: network.trained) }.operation
        let queue = builder.device(place?.queue) {
            builder.fifoQueue(capacity: options.queueCapacity, types: described.map(\.dtype), sharedName: queueName, name: "replay_queue")
        }
        let credits = options.agent.elementsInFlight.map { _ in
            builder.device(place?.queue) {
                builder.fifoQueue(types: [.int32], shapes: [.scalar], sharedName: "\(queueName)/credits", name: "credit_queue")
            }
        }
        (enqueue, dequeue) = builder.colocate(with: queue.handle.operation) { (queue.enqueue(placeholders), queue.dequeue()) }
        takeCredit = credits.map { credits in builder.colocate(with: credits.handle.operation) { credits.dequeue()[0].operation } }
        giveCredit = credits.map { credits in
            builder.colocate(with: credits.handle.operation) { credits.enqueue([builder.constant(Tensor(1 as Int32))]) }
        }
        let queues = [queue] + (credits.map { [$0] } ?? [])
        let closings = queues.map { queue in builder.colocate(with: queue.handle.operation) { queue.close(cancelPendingEnqueues: true) } }
        close = builder.group(closings, name: "close")
        initializer = builder.initializer
        let destroyed = (builder.variables.map(\.handle) + queues.map(\.handle)).map { handle in
            builder.colocate(with: handle.operation) { builder.add("DestroyResourceOp", [handle]) }
        }
        forget = builder.group(destroyed, name: "forget")
        saver = scoped { Saver(builder, network.trained, maxToKeep: 5, layout: .client) }
    }
}
