import Glibc

/// A pole that stands on a cart, hinged at its foot: the cart is pushed to the left or to the right so that the pole does not fall.
///
/// The equations are those of Barto, Sutton and Anderson, *Neuronlike Adaptive Elements That Can Solve Difficult Learning Control
/// Problems*, 1983, without friction, and the limits those of Gym's `CartPole-v1`. Each step rewards 1, the last too. An episode ends when the
/// cart is more than 2.4 m from the middle or the pole more than 12° from upright, or after 500 steps.
public struct CartPole: Environment {
    /// The state of the cart and the pole, in metres, radians and seconds.
    public struct State: Hashable, Sendable {
        /// Where the cart is, m.
        public var position: Double
        /// The cart's velocity, m/s.
        public var velocity: Double
        /// The pole's angle from upright, rad; positive to the right.
        public var angle: Double
        /// The pole's angular velocity, rad/s.
        public var angularVelocity: Double
        /// Makes a state.
        public init(position: Double = 0, velocity: Double = 0, angle: Double = 0, angularVelocity: Double = 0) {
            self.position = position
            self.velocity = velocity
            self.angle = angle
            self.angularVelocity = angularVelocity
        }

        /// Whether the cart has left the track or the pole has fallen.
        public var isTerminal: Bool { abs(position) > CartPole.positionLimit || abs(angle) > CartPole.angleLimit }

        /// The state 0.02 s later, by Euler's method, after a force in N on the cart.
        public func next(force: Double) -> State {
            let gravity = 9.8, poleMass = 0.1, totalMass = 1.1, halfLength = 0.5, interval = 0.02
            let (sine, cosine) = (sin(angle), cos(angle))
            let push = (force + poleMass * halfLength * angularVelocity * angularVelocity * sine) / totalMass
            let angularAcceleration = (gravity * sine - cosine * push) / (halfLength * (4.0 / 3 - poleMass * cosine * cosine / totalMass))
            let acceleration = push - poleMass * halfLength * angularAcceleration * cosine / totalMass
            return State(
                position: position + interval * velocity, velocity: velocity + interval * acceleration,
                angle: angle + interval * angularVelocity, angularVelocity: angularVelocity + interval * angularAcceleration)
        }
    }

    /// The distance from the middle at which an episode ends, m.
    public static let positionLimit = 2.4
    /// The angle at which an episode ends, rad: 12°.
    public static let angleLimit = 12 * 2 * Double.pi / 360
    /// The steps of the longest episode.
    public static let stepLimit = 500
    /// The force of an action, N.
    static let force = 10.0

    /// The state.
    public var state = State()
    /// The steps of this episode.
    public private(set) var stepCount = 0
    private var generator: SplitMix

    /// Begins an episode. Its state, and those of the episodes after it, follow from the seed.
    public init(seed: UInt64) {
        generator = SplitMix(seed: seed)
        reset()
    }

    /// 4: the cart's position and velocity, the pole's angle and angular velocity.
    public let observationSize = 4
    /// 2: action 0 pushes to the left, action 1 to the right.
    public let actionCount = 2
    /// The state.
    public var observation: [Float] { [Float(state.position), Float(state.velocity), Float(state.angle), Float(state.angularVelocity)] }

    /// Begins an episode: each number of the state is uniform between -0.05 and 0.05.
    public mutating func reset() {
        func number() -> Double { Double.random(in: -0.05...0.05, using: &generator) }
        state = State(position: number(), velocity: number(), angle: number(), angularVelocity: number())
        stepCount = 0
    }

    /// Pushes the cart for 0.02 s: to the left with action 0, to the right with any other. After the end of an episode it rewards 0.
    public mutating func step(_ action: Int) -> EnvironmentStep {
        let hadEnded = state.isTerminal || stepCount >= CartPole.stepLimit
        state = state.next(force: action == 0 ? -CartPole.force : CartPole.force)
        stepCount += 1
        return EnvironmentStep(reward: hadEnded ? 0 : 1, isTerminal: state.isTerminal, isTruncated: stepCount >= CartPole.stepLimit)
    }
}
