public import WeirGraph
public import WeirTensor

/// A learner by reinforcement: what its network computes, how its actors choose actions, and what its learner does with what they saw.
///
/// It knows nothing of tasks. `ReinforcementTrainer` runs actors and learner in one process or on the tasks of a cluster.
public protocol Agent: Sendable {
    /// The agent's name, which begins the names of its variables.
    var name: String { get }
    /// Updates the variables.
    var optimizer: any Optimizer { get }
    /// How many elements may be under way from the actors to the learner: being collected, in the queue or learned from. An agent that must
    /// learn from what it would do now bounds thus how many updates the variables of an actor may be behind. Nil leaves it to the queue.
    var elementsInFlight: Int? { get }
    /// What actors send to the learner: a tensor for each, with a row for each step of an environment. The first are the observations.
    func columns(observationSize: Int) -> [ExperienceColumn]
    /// Adds the network and its loss.
    func network(_ inputs: AgentInputs) -> AgentNetwork
    /// Acts for a while in some environments, and returns one tensor for each column.
    /// - Parameters:
    ///   - policy: gives each action of each observation a score.
    ///   - stepCount: the steps of all actors so far.
    func collect(_ environments: inout EnvironmentBatch, _ policy: Policy, stepCount: Int) async throws(Status) -> [Tensor]
    /// A learner that has seen nothing.
    func makeLearner(seed: Int) -> any AgentLearner
    /// Checks the numbers.
    /// - Throws: `invalidArgument` when one is out of its range.
    func check() throws(Status)
}

extension Agent {
    /// Only the queue's capacity bounds it.
    public var elementsInFlight: Int? { nil }
}

/// One of the tensors that actors send to the learner.
public struct ExperienceColumn: Sendable {
    /// The name, which is also its placeholder's.
    public var name: String
    /// The element type.
    public var dtype: DType
    /// The shape of one row.
    public var shape: [Int]
    /// Describes a column.
    public init(_ name: String, _ dtype: DType, _ shape: [Int] = []) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
    }
}

/// What a network is built from.
public struct AgentInputs: Sendable {
    /// The builder to which the agent adds its nodes.
    public let builder: GraphBuilder
    /// The number of actions.
    public let actionCount: Int
    /// The seed of the initial values.
    public let seed: Int
    private let columns: [String: Output]

    init(_ builder: GraphBuilder, actionCount: Int, seed: Int, columns: [String: Output]) {
        self.builder = builder
        self.actionCount = actionCount
        self.seed = seed
        self.columns = columns
    }

    /// The placeholder of a column. Records an error if there is none.
    public subscript(name: String) -> Output {
        if let column = columns[name] { return column }
        builder.record(.invalidArgument("The agent has the columns \(columns.keys.sorted().joined(separator: ", ")), found '\(name)'"))
        return builder.placeholder(.float32, name: "failed")
    }
}

/// What an agent adds to a graph.
public struct AgentNetwork: Sendable {
    /// A score for each action, `[rows, actions]`, that depends on the observations alone. The greatest is that of the best action.
    public var scores: Output
    /// The loss of a batch of rows, a scalar.
    public var loss: Output
    /// The variables that the optimizer updates.
    public var trained: [Variable]
    /// Copies the variables of the network to those of the target network; nil if there is none.
    public var targetUpdate: Operation?
    /// Describes a network.
    public init(scores: Output, loss: Output, trained: [Variable], targetUpdate: Operation? = nil) {
        self.scores = scores
        self.loss = loss
        self.trained = trained
        self.targetUpdate = targetUpdate
    }
}

/// The state of an agent's learner.
public protocol AgentLearner: Sendable {
    /// Learns from what an actor sent.
    /// - Parameter steps: the steps of the graph that a learner may run.
    mutating func learn(_ experience: [Tensor], _ steps: LearnerSteps) async throws(Status)
}
