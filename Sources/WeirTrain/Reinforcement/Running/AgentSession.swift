import WeirCluster
import WeirGraph
import WeirTensor

/// The session of an actor or of the learner.
struct AgentSession: Sendable {
    let graph: AgentGraph
    let session: Session
    let policy: Policy
    private let columns: [String]
    private let dequeued: [String]

    init(_ graph: AgentGraph, _ session: Session, actionCount: Int) {
        self.graph = graph
        self.session = session
        policy = Policy(session, observations: graph.observations, scores: graph.network.scores, actionCount: actionCount)
        columns = graph.columns.map(\.name)
        dequeued = graph.dequeue.map(\.name)
    }

    /// Sets the variables to their initial values, or those of the network to a checkpoint's.
    func initialize(from checkpoint: String?) async throws(Status) {
        try await session.run(graph.initializer)
        if let checkpoint { try await graph.saver.restore(session, from: checkpoint) }
        try await updateTarget()
    }

    /// Sends what an actor saw. It waits while the queue is full.
    func send(_ experience: [Tensor]) async throws(Status) {
        _ = try await session.run(feeds: named(experience), targets: [graph.enqueue.name])
    }
    /// Takes what an actor saw. It waits while the queue is empty.
    func receive() async throws(Status) -> [Tensor] { try await session.run(fetches: dequeued).tensors.map(\.tensor) }
    /// Waits for a credit to collect what is sent next.
    func takeCredit() async throws(Status) { if let take = graph.takeCredit { try await session.run(take) } }
    /// Lets an actor collect.
    func giveCredit() async throws(Status) { if let give = graph.giveCredit { try await session.run(give) } }
    func close() async throws(Status) { try await session.run(graph.close) }

    /// Updates the network from a batch.
    /// - Returns: the loss.
    func update(_ batch: [Tensor]) async throws(Status) -> Float {
        let reply = try await session.run(fetches: [graph.network.loss.name], feeds: named(batch), targets: [graph.update.name])
        return try reply.tensors[0].tensor.scalar(of: Float.self)
    }
    func updateTarget() async throws(Status) {
        if let update = graph.network.targetUpdate { try await session.run(update) }
    }

    /// The values of the trained variables.
    func values() async throws(Status) -> [Tensor] { try await session.run(graph.network.trained.map(\.value)) }
    func assign(_ values: [Tensor]) async throws(Status) {
        for (variable, value) in zip(graph.network.trained, values) { try await graph.saver.assign(value, to: variable, in: session) }
        try await updateTarget()
    }

    private func named(_ tensors: [Tensor]) throws(Status) -> [NamedTensor] {
        guard tensors.count == columns.count else {
            throw .invalidArgument("The agent has \(columns.count) columns, found \(tensors.count) tensors")
        }
        return zip(columns, tensors).map { NamedTensor($0, $1) }
    }
}
