/// Several environments of one kind, which an actor steps together, so that one step of the graph chooses the actions of all.
public struct EnvironmentBatch: Sendable {
    /// What came of one action of each environment, as arrays with an element, or a row, for each.
    public struct Step: Sendable {
        /// The rewards.
        public var rewards: [Float] = []
        /// What followed the actions, also where an episode ended: `count` rows.
        public var nextObservations: [Float] = []
        /// Whether the episode ended in a state after which nothing follows.
        public var isTerminal: [Bool] = []
        /// Whether the episode ended.
        public var isLast: [Bool] = []
    }

    private var environments: [any Environment]
    private var generator: SplitMix
    /// The rewards of each environment in its episode so far.
    private var sums: [Double]
    /// The returns, the sums of rewards, of episodes that ended and were not taken.
    private var finished: [Double] = []

    /// The number of environments.
    public var count: Int { environments.count }
    /// The number of elements of an observation.
    public let observationSize: Int
    /// The number of actions.
    public let actionCount: Int

    /// Makes `count` environments, at least one, each with a seed of its own.
    /// - Parameter number: tells the batch from others of the same seed.
    public init(_ count: Int, seed: Int, number: Int = 0, _ make: (UInt64) -> any Environment) {
        generator = SplitMix(seed: UInt64(bitPattern: Int64(seed)) &+ UInt64(bitPattern: Int64(number)) &* 0xd134_2543_de82_ef95)
        environments = []
        for _ in 0..<max(1, count) { environments.append(make(generator.next())) }
        observationSize = environments[0].observationSize
        actionCount = environments[0].actionCount
        sums = [Double](repeating: 0, count: environments.count)
    }

    /// What the agent sees now: `count` rows.
    public var observations: [Float] { environments.flatMap(\.observation) }
    /// A random number from 0 to 1, of the batch's own.
    public mutating func randomNumber() -> Double { Double.random(in: 0..<1, using: &generator) }
    /// A random action, of the batch's own numbers.
    public mutating func randomAction() -> Int { Int.random(in: 0..<max(1, actionCount), using: &generator) }

    /// Begins a new episode in each environment. The episodes so far are not counted.
    public mutating func reset() {
        for index in environments.indices { environments[index].reset() }
        sums = [Double](repeating: 0, count: count)
    }

    /// Does one action of each environment. Where it ends the episode, a new one begins.
    /// - Parameter isActive: the environments that act; in the others nothing happens.
    public mutating func step(_ actions: [Int], where isActive: [Bool]? = nil) -> Step {
        var result = Step()
        for index in environments.indices {
            var step = EnvironmentStep(reward: 0)
            let acts = isActive?[index] ?? true
            if acts { step = environments[index].step(actions[index]) }
            result.rewards.append(step.reward)
            result.nextObservations += environments[index].observation
            result.isTerminal.append(step.isTerminal)
            result.isLast.append(step.isLast)
            sums[index] += Double(step.reward)
            guard acts, step.isLast else { continue }
            finished.append(sums[index])
            sums[index] = 0
            environments[index].reset()
        }
        return result
    }

    /// Takes the returns of the episodes that ended since the last call.
    public mutating func takeReturns() -> [Double] {
        defer { finished = [] }
        return finished
    }
}
