/// A task that an agent learns by acting: it sees an observation, chooses one of some actions, and gets a reward.
///
/// A value with random numbers of its own: two of one seed that get the same actions are in the same states.
public protocol Environment: Sendable {
    /// The number of elements of an observation.
    var observationSize: Int { get }
    /// The number of actions, which are numbered from 0.
    var actionCount: Int { get }
    /// What the agent sees now: `observationSize` numbers.
    var observation: [Float] { get }
    /// Begins a new episode.
    mutating func reset()
    /// Does one action, and returns what came of it.
    mutating func step(_ action: Int) -> EnvironmentStep
}

/// What came of one action.
public struct EnvironmentStep: Hashable, Sendable {
    /// The reward.
    public var reward: Float
    /// Whether the episode has ended in a state after which nothing follows, such as a fall.
    public var isTerminal: Bool
    /// Whether the episode was ended although more could follow, because its time is up.
    public var isTruncated: Bool
    /// Makes a step.
    public init(reward: Float, isTerminal: Bool = false, isTruncated: Bool = false) {
        self.reward = reward
        self.isTerminal = isTerminal
        self.isTruncated = isTruncated
    }
    /// Whether the episode has ended.
    public var isLast: Bool { isTerminal || isTruncated }
}
