import Glibc
import WeirGraph
import WeirOps
public import WeirTensor

/// REINFORCE: the policy is a network of probabilities, and actions after which more was returned than expected become more probable.
/// Williams, *Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning*, 1992.
///
/// What is expected is a second network's value of the observation, the baseline. The differences, the advantages, are normalized in each
/// batch of whole episodes. An actor's variables are at most two updates behind. Where it chose by variables that have been updated since, the gradient of a step is weighted by how probable
/// its action is now compared with then, at most 1: Espeholt et al., *IMPALA*, 2018. In one process that is always 1.
public struct Reinforce: Agent {
    /// `reinforce`.
    public let name = "reinforce"
    /// The units of the hidden layers of policy and baseline, with hyperbolic tangents.
    public var hidden = [64]
    /// What a reward one step later is worth, below 1.
    public var discount: Float = 0.99
    /// How much the loss rewards the entropy of the probabilities, so that all actions are tried.
    public var entropyWeight = 0.0
    /// The optimizer.
    public var optimizer: any Optimizer = Adam(learningRate: 0.01)
    /// 3: with gradients of policies that are more than two updates old, learning is not stable at this learning rate.
    public var elementsInFlight: Int? { 3 }
    /// Makes an agent with values that suit small tasks such as `CartPole`.
    public init() {}

    /// Observations, actions, the discounted sums of the rewards that followed, and the logarithms of the probabilities that the
    /// actions had.
    public func columns(observationSize: Int) -> [ExperienceColumn] {
        [
            ExperienceColumn("observations", .float32, [observationSize]), ExperienceColumn("actions", .int32), ExperienceColumn("returns", .float32),
            ExperienceColumn("log_probabilities", .float32),
        ]
    }

    /// Adds the policy, the baseline, and the loss.
    public func network(_ inputs: AgentInputs) -> AgentNetwork {
        let builder = inputs.builder, observations = inputs["observations"]
        let (logits, policy) = perceptron(hidden, outputCount: inputs.actionCount, activation: .tanh)
            .applied(to: observations, scope: "policy", in: builder, seed: inputs.seed)
        let (values, baseline) = perceptron(hidden, outputCount: 1, activation: .tanh)
            .applied(to: observations, scope: "baseline", in: builder, seed: inputs.seed &+ 1)
        let scores = logits.logSoftmax()
        let loss = builder.nameScope("loss") { () -> Output in
            // At most as large as the greatest reward, so that the baseline learns with the policy's learning rate.
            let returns = inputs["returns"] * Double(1 - discount), expected = values.flattened()
            let difference = (returns - expected).stopGradient()
            let centred = difference - difference.mean()
            let advantages = centred / (centred.square().mean().sqrt() + 1e-6)
            let chosen = (scores * inputs["actions"].oneHot(depth: inputs.actionCount)).sum(axes: [1])
            let weights = (chosen - inputs["log_probabilities"]).exp().minimum(1).stopGradient()
            let gain = (weights * advantages * chosen).mean()
            let entropy = -(scores.exp() * scores).sum(axes: [1]).mean()
            return Loss.meanSquaredError(expected, targets: returns) - gain - entropy * entropyWeight
        }
        return AgentNetwork(scores: scores, loss: loss, trained: policy.variables + baseline.variables)
    }

    /// Plays one whole episode in each environment.
    public func collect(_ environments: inout EnvironmentBatch, _ policy: Policy, stepCount: Int) async throws(Status) -> [Tensor] {
        environments.reset()
        var episodes = [Episode](repeating: Episode(), count: environments.count)
        var isActive = [Bool](repeating: true, count: environments.count)
        while isActive.contains(true) {
            let seen = environments.observations
            let scores = try await policy.scores(seen)
            var actions = [Int](repeating: 0, count: environments.count)
            for index in actions.indices where isActive[index] {
                actions[index] = Reinforce.drawn(scores[index], environments.randomNumber())
                episodes[index].actions.append(Int32(actions[index]))
                episodes[index].logProbabilities.append(scores[index][actions[index]])
                episodes[index].observations += seen[index * environments.observationSize..<(index + 1) * environments.observationSize]
            }
            let step = environments.step(actions, where: isActive)
            for index in actions.indices where isActive[index] {
                episodes[index].rewards.append(step.rewards[index])
                isActive[index] = !step.isLast[index]
            }
        }
        let actions = episodes.flatMap(\.actions)
        return [
            try Tensor(episodes.flatMap(\.observations), shape: Shape(actions.count, environments.observationSize)), Tensor(actions),
            Tensor(episodes.flatMap { Reinforce.returns($0.rewards, discount) }), Tensor(episodes.flatMap(\.logProbabilities)),
        ]
    }

    private struct Episode {
        var observations: [Float] = []
        var actions: [Int32] = []
        var rewards: [Float] = []
        var logProbabilities: [Float] = []
    }

    /// The action that a random number from 0 to 1 chooses.
    static func drawn(_ logProbabilities: [Float], _ number: Double) -> Int {
        var sum = 0.0
        for (action, score) in logProbabilities.enumerated().dropLast() {
            sum += exp(Double(score))
            if number < sum { return action }
        }
        return max(0, logProbabilities.count - 1)
    }

    /// For each step of an episode, the sum of the rewards from it on, each worth less by the discount for each step later.
    static func returns(_ rewards: [Float], _ discount: Float) -> [Float] {
        var sum: Float = 0
        let fromLast = rewards.reversed().map { reward in
            sum = reward + discount * sum
            return sum
        }
        return fromLast.reversed()
    }

    /// A learner, which keeps nothing.
    public func makeLearner(seed: Int) -> any AgentLearner { ReinforceLearner() }

    /// Checks the numbers.
    public func check() throws(Status) {
        try requireUnits(hidden)
        try require("discount", discount, in: 0...0.999_999)
        try require("entropyWeight", entropyWeight, in: 0...1_000)
    }
}

/// The learner of `Reinforce`: one update for each batch of episodes.
struct ReinforceLearner: AgentLearner {
    mutating func learn(_ experience: [Tensor], _ steps: LearnerSteps) async throws(Status) { try await steps.update(experience) }
}
