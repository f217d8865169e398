import WeirGraph
import WeirOps
public import WeirTensor

/// Deep Q-learning: a network learns what return each action brings, and actors take the best action, or now and then a random one. Mnih
/// et al., *Human-level control through deep reinforcement learning*, 2015.
///
/// The value of the next state is that of a target network, a copy of the network of some updates ago, for the action that the
/// network itself finds best: van Hasselt, Guez and Silver, *Deep Reinforcement Learning with Double Q-learning*, 2016. Batches are drawn from a
/// `ReplayBuffer`, and the loss is Huber's.
public struct DeepQNetwork: Agent {
    /// `dqn`.
    public let name = "dqn"
    /// The units of the hidden layers, which are rectified.
    public var hidden = [128, 128]
    /// What a reward one step later is worth.
    public var discount: Float = 0.99
    /// The steps that an actor makes in each environment before it sends them.
    public var stepsPerChunk = 16
    /// The rows of a batch.
    public var batchSize = 64
    /// Updates of the network for each step of an environment.
    public var updatesPerStep = 0.5
    /// Updates from one copy to the target network to the next.
    public var targetInterval = 128
    /// Rows of the replay buffer.
    public var replayCapacity = 50_000
    /// Rows with which learning begins.
    public var learningStart = 1_000
    /// The share of random actions at the beginning.
    public var firstEpsilon = 1.0
    /// The share of random actions after `epsilonSteps`.
    public var lastEpsilon = 0.05
    /// The steps, of all actors, in which the share of random actions falls from the first to the last, linearly.
    public var epsilonSteps = 10_000
    /// The optimizer.
    public var optimizer: any Optimizer = Adam(learningRate: 0.001).clipped(.globalNorm(10))
    /// Makes an agent with values that suit small tasks such as `CartPole`.
    public init() {}

    /// Observations, actions, rewards, what was observed next, and 1 where something followed, 0 where the episode ended for good.
    public func columns(observationSize: Int) -> [ExperienceColumn] {
        [
            ExperienceColumn("observations", .float32, [observationSize]), ExperienceColumn("actions", .int32), ExperienceColumn("rewards", .float32),
            ExperienceColumn("next_observations", .float32, [observationSize]), ExperienceColumn("continues", .float32),
        ]
    }

    /// Adds the network, its target network, and the loss.
    public func network(_ inputs: AgentInputs) -> AgentNetwork {
        let builder = inputs.builder
        let layers = perceptron(hidden, outputCount: inputs.actionCount, activation: .relu)
        let (values, pass) = layers.applied(to: inputs["observations"], scope: "network", in: builder, seed: inputs.seed)
        // Applied again, with the same variables, to what was observed next.
        let (nextValues, _) = layers.applied(to: inputs["next_observations"], scope: "next", in: builder, seed: inputs.seed, pass.inference())
        let (targetValues, target) = layers.applied(to: inputs["next_observations"], scope: "target", in: builder, seed: inputs.seed)
        let loss = builder.nameScope("loss") { () -> Output in
            let best = nextValues.argMax(axis: 1, outputType: .int32).oneHot(depth: inputs.actionCount)
            let future = (targetValues * best).sum(axes: [1])
            let expected = (inputs["rewards"] + inputs["continues"] * future * Double(discount)).stopGradient()
            let found = (values * inputs["actions"].oneHot(depth: inputs.actionCount)).sum(axes: [1])
            return Loss.huber(found, targets: expected)
        }
        let copies = zip(target.variables, pass.variables).map { copy, variable in
            builder.colocate(with: copy.handle.operation) { copy.assign(variable.value) }
        }
        return AgentNetwork(scores: values, loss: loss, trained: pass.variables, targetUpdate: builder.group(copies, name: "update_target"))
    }

    /// Makes `stepsPerChunk` steps in each environment.
    public func collect(_ environments: inout EnvironmentBatch, _ policy: Policy, stepCount: Int) async throws(Status) -> [Tensor] {
        var observations: [Float] = [], actions: [Int32] = [], rewards: [Float] = [], next: [Float] = [], continues: [Float] = []
        for round in 0..<stepsPerChunk {
            let seen = environments.observations
            let best = try await policy.bestActions(seen)
            let epsilon = epsilon(at: stepCount + round * environments.count)
            let chosen = best.map { environments.randomNumber() < epsilon ? environments.randomAction() : $0 }
            let step = environments.step(chosen)
            observations += seen
            actions += chosen.map { Int32($0) }
            rewards += step.rewards
            next += step.nextObservations
            continues += step.isTerminal.map { $0 ? 0 : 1 }
        }
        let shape = Shape(actions.count, environments.observationSize)
        return [try Tensor(observations, shape: shape), Tensor(actions), Tensor(rewards), try Tensor(next, shape: shape), Tensor(continues)]
    }

    /// The share of random actions after so many steps.
    func epsilon(at step: Int) -> Double {
        firstEpsilon + (lastEpsilon - firstEpsilon) * min(1, Double(step) / Double(max(1, epsilonSteps)))
    }

    /// A learner with an empty replay buffer.
    public func makeLearner(seed: Int) -> any AgentLearner { DeepQLearner(self, seed: seed) }

    /// Checks the numbers.
    public func check() throws(Status) {
        try requireUnits(hidden)
        try require("discount", Double(discount), in: 0...1)
        try require("firstEpsilon", firstEpsilon, in: 0...1)
        try require("lastEpsilon", lastEpsilon, in: 0...1)
        try require("updatesPerStep", updatesPerStep, in: 0...1_000)
        for (name, number) in [
            ("stepsPerChunk", stepsPerChunk), ("batchSize", batchSize), ("targetInterval", targetInterval), ("replayCapacity", replayCapacity),
            ("learningStart", learningStart), ("epsilonSteps", epsilonSteps),
        ] { try require(name, number, in: 1...100_000_000) }
    }
}

/// The learner of a `DeepQNetwork`: the replay buffer, and the updates that are due.
struct DeepQLearner: AgentLearner {
    private let agent: DeepQNetwork
    private var buffer: ReplayBuffer
    /// The updates that are due, with the fraction that the next rows add to.
    private var due = 0.0
    private var updateCount = 0

    init(_ agent: DeepQNetwork, seed: Int) {
        self.agent = agent
        buffer = ReplayBuffer(capacity: agent.replayCapacity, seed: seed)
    }

    mutating func learn(_ experience: [Tensor], _ steps: LearnerSteps) async throws(Status) {
        try buffer.insert(experience)
        guard buffer.count >= min(agent.learningStart, buffer.capacity) else { return }
        due += agent.updatesPerStep * Double(experience.first?.shape[0] ?? 0)
        while due >= 1 {
            due -= 1
            try await steps.update(buffer.sample(agent.batchSize))
            updateCount += 1
            if updateCount % agent.targetInterval == 0 { try await steps.updateTarget() }
        }
    }
}
