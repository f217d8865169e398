import WeirCluster
import WeirGraph
public import WeirTensor

/// The network of an agent as its actors use it: it gives each action a score.
public struct Policy: Sendable {
    private let session: Session
    private let observations: String
    private let scores: String
    private let observationSize: Int
    private let actionCount: Int

    init(_ session: Session, observations: Output, scores: Output, actionCount: Int) {
        self.session = session
        self.observations = observations.name
        self.scores = scores.name
        observationSize = max(1, (observations.shape.dimensions ?? []).dropFirst().reduce(1) { $0 * ($1 ?? 1) })
        self.actionCount = actionCount
    }

    /// The scores of the actions, for each of some observations that follow each other. One step of the graph.
    public func scores(_ observations: [Float]) async throws(Status) -> [[Float]] {
        let rows = observations.count / observationSize
        let fed = try Tensor(observations, shape: Shape(rows, observationSize))
        let reply = try await session.run(fetches: [scores], feeds: [NamedTensor(self.observations, fed)])
        let found = try reply.tensors[0].tensor.array(of: Float.self)
        guard found.count == rows * actionCount else {
            throw .invalidArgument("The agent's network must score \(actionCount) actions of each of \(rows) observations, found \(found.count) scores")
        }
        return (0..<rows).map { Array(found[$0 * actionCount..<($0 + 1) * actionCount]) }
    }

    /// The action with the greatest score, for each observation; of equal ones the first.
    public func bestActions(_ observations: [Float]) async throws(Status) -> [Int] {
        try await scores(observations).map { row in row.indices.max { row[$0] < row[$1] || (row[$0] == row[$1] && $0 > $1) } ?? 0 }
    }

    /// Plays one episode in each environment, always with the best action.
    /// - Parameter observe: is called before each step with what the first environment shows, while its episode lasts.
    /// - Returns: the returns, the sums of rewards.
    func play(_ environments: inout EnvironmentBatch, observe: ([Float]) -> Void = { _ in }) async throws(Status) -> [Double] {
        environments.reset()
        var isActive = [Bool](repeating: true, count: environments.count)
        while isActive.contains(true) {
            let seen = environments.observations
            if isActive[0] { observe(Array(seen.prefix(observationSize))) }
            let step = environments.step(try await bestActions(seen), where: isActive)
            for index in isActive.indices where step.isLast[index] { isActive[index] = false }
        }
        return environments.takeReturns()
    }
}

/// The steps of the graph that an agent's learner may run.
public struct LearnerSteps: Sendable {
    private let session: AgentSession
    private let progress: ReinforcementProgress

    init(_ session: AgentSession, _ progress: ReinforcementProgress) {
        self.session = session
        self.progress = progress
    }

    /// Updates the network from one tensor for each column of the agent.
    public func update(_ batch: [Tensor]) async throws(Status) { progress.updated(loss: try await session.update(batch)) }
    /// Copies the network to the target network.
    public func updateTarget() async throws(Status) { try await session.updateTarget() }
}
