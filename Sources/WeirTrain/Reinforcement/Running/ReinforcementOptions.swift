import WeirCluster
import WeirTensor

/// The environment, the agent and the numbers of a training by reinforcement.
public struct ReinforcementOptions: Sendable {
    /// The agent.
    public var agent: any Agent
    /// Makes an environment whose random numbers follow from a seed.
    public var environment: @Sendable (UInt64) -> any Environment
    /// The environments that each actor steps together.
    public var environmentsPerActor = 8
    /// The steps of all environments after which training ends. 0 only evaluates.
    public var stepLimit = 150_000
    /// The steps from one evaluation to the next.
    public var evaluationInterval = 2_500
    /// The episodes of an evaluation, which are played with the best actions.
    public var evaluationEpisodes = 100
    /// The mean return of an evaluation with which training ends; nil trains to the limit.
    public var goal: Double?
    /// What actors may send before the learner takes it. An actor waits when the queue is full.
    public var queueCapacity = 4
    /// The seed of initial values, environments, actions and batches. In one process equal seeds give equal results.
    public var seed = 1
    /// Where the best network is saved: `-` and the number of steps are added; nil saves nothing.
    public var checkpointPrefix: String?
    /// A checkpoint with which to begin; nil begins with initial values.
    public var restoredPath: String?

    /// Describes a training in `CartPole`, or another environment.
    public init(_ agent: any Agent, environment: @escaping @Sendable (UInt64) -> any Environment = { CartPole(seed: $0) }) {
        self.agent = agent
        self.environment = environment
    }

    /// Checks the numbers.
    /// - Throws: `invalidArgument` when one is out of its range.
    func check() throws(Status) {
        try agent.check()
        for (name, number, range) in [
            ("environmentsPerActor", environmentsPerActor, 1...4096), ("stepLimit", stepLimit, 0...1_000_000_000),
            ("evaluationInterval", evaluationInterval, 1...1_000_000_000), ("evaluationEpisodes", evaluationEpisodes, 1...4096),
            ("queueCapacity", queueCapacity, 1...4096),
        ] where !range.contains(number) {
            throw .invalidArgument("\(name) must be between \(range.lowerBound) and \(range.upperBound), found \(number)")
        }
        if let goal, !goal.isFinite { throw .invalidArgument("The goal must be a finite return, found \(goal)") }
        if let checkpointPrefix { try TrainingCheckpoint(checkpointPrefix).check() }
        let space = environment(0)
        guard space.observationSize > 0, space.actionCount > 0 else {
            throw .invalidArgument(
                "An environment must have observations and actions, found \(space.observationSize) numbers and \(space.actionCount) actions")
        }
    }
}

/// An event of a training by reinforcement.
public enum ReinforcementEvent: Sendable {
    /// The learner learned from what an actor sent.
    case learned(ReinforcementStep)
    /// The network was evaluated.
    case evaluated(ReinforcementEvaluation)
    /// The best network was saved.
    case saved(step: Int, path: String)
    /// A message for the user: something blocks, or an actor is lost.
    case notice(String)
}

/// How far a training is.
public struct ReinforcementStep: Sendable {
    /// The steps of all environments that the learner has learned from.
    public var step: Int
    /// The episodes that ended.
    public var episodes: Int
    /// The mean return of the last 100 episodes, or of all if there are fewer; nil before the first.
    public var recentReturn: Double?
    /// The updates of the network.
    public var updates: Int
    /// The loss of the last update; nil before the first.
    public var loss: Float?
    /// Steps of environments per second since the start.
    public var stepsPerSecond: Double
    /// The actors that are not lost.
    public var actorsAlive: Int
}

/// An evaluation: episodes that the agent plays with the best actions, in environments it has not seen.
public struct ReinforcementEvaluation: Sendable {
    /// The steps that the agent had learned from.
    public var step: Int
    /// The return of each episode.
    public var returns: [Double]
    /// The mean return.
    public var mean: Double { returns.reduce(0, +) / Double(max(1, returns.count)) }
    /// The least return.
    public var least: Double { returns.min() ?? .nan }
}
