import Testing

@testable import WeirTrain

@Suite("CartPole")
struct CartPoleTests {
    private func numbers(_ state: CartPole.State) -> [Double] { [state.position, state.velocity, state.angle, state.angularVelocity] }

    @Test("eight steps are those of the equations in float64")
    func trajectory() {
        // Computed by a Python program of the equations of Gym's cartpole.py, with Euler's method.
        let expected: [[Double]] = [
            [0.009600000000000001, 0.17467919574755525, 0.030799999999999998, -0.24306871796000815],
            [0.013093583914951107, -0.020868848948191993, 0.025938625640799833, 0.05916799993941654],
            [0.012676206935987267, -0.21635292104612766, 0.027121985639588165, 0.3599205713784138],
            [0.008349148515064714, -0.021626799199488206, 0.03432039706715644, 0.0759116989474441],
            [0.00791661253107495, 0.17298676004769037, 0.035838631046105324, -0.20574851582677406],
            [0.011376347732028757, 0.3675783725675468, 0.03172366072956984, -0.4869142013445082],
            [0.01872791518337969, 0.17202349486382784, 0.02198537670267968, -0.18440428392099584],
            [0.022168385080656248, 0.36682408600495897, 0.01829729102425976, -0.4700713747851109],
        ]
        var pole = CartPole(seed: 1)
        pole.state = CartPole.State(position: 0.01, velocity: -0.02, angle: 0.03, angularVelocity: 0.04)
        for (action, row) in zip([1, 0, 0, 1, 1, 1, 0, 1], expected) {
            #expect(pole.step(action) == EnvironmentStep(reward: 1))
            for (found, number) in zip(numbers(pole.state), row) { #expect(abs(found - number) < 1e-14) }
        }
    }

    @Test(
        "the steps that Gymnasium's documentation shows",
        arguments: [
            ([0.0273956, -0.00611216, 0.03585979, 0.0197368], 1, [0.02727336, 0.18847767, 0.03625453, -0.26141977]),
            ([0.01522993, -0.04562247, -0.04799704, 0.03392126], 0, [0.01431748, -0.24002443, -0.04731862, 0.3110827]),
            ([-0.03774345, -0.02418869, -0.00942293, 0.0469184], 1, [-0.03822722, 0.1710671, -0.00848456, -0.2487226]),
        ] as [([Double], Int, [Double])])
    func published(_ from: [Double], _ action: Int, _ to: [Double]) {
        let state = CartPole.State(position: from[0], velocity: from[1], angle: from[2], angularVelocity: from[3])
        for (found, number) in zip(numbers(state.next(force: action == 0 ? -10 : 10)), to) { #expect(abs(found - number) < 2e-8) }
    }

    @Test("an episode ends beyond 12° and beyond 2.4 m, not at them")
    func limits() {
        let degrees = 12 * 2 * Double.pi / 360
        for sign in [-1.0, 1] {
            #expect(!CartPole.State(angle: sign * degrees).isTerminal && CartPole.State(angle: sign * degrees.nextUp).isTerminal)
            #expect(!CartPole.State(position: sign * 2.4).isTerminal && CartPole.State(position: sign * 2.4.nextUp).isTerminal)
        }
        // Pushed to one side only, the pole falls in the ninth step.
        var pole = CartPole(seed: 1)
        pole.state = CartPole.State()
        let steps = (1...9).map { _ in pole.step(1) }
        #expect(steps.map(\.isTerminal) == [Bool](repeating: false, count: 8) + [true])
        #expect(steps.allSatisfy { $0.reward == 1 && !$0.isTruncated })
        #expect(pole.step(1).reward == 0)
    }

    @Test("after 500 steps an episode is truncated, which is no fall")
    func timeLimit() {
        var pole = CartPole(seed: 1)
        for number in 1...500 {
            pole.state = CartPole.State()
            let step = pole.step(number % 2)
            #expect(step.isTruncated == (number == 500) && !step.isTerminal && step.reward == 1)
        }
    }

    @Test("equal seeds begin equal episodes, all within 0.05 of the middle")
    func seeds() {
        var first = CartPole(seed: 7), second = CartPole(seed: 7)
        var seen: Set<CartPole.State> = []
        for _ in 0..<50 {
            #expect(first.state == second.state && numbers(first.state).allSatisfy { abs($0) <= 0.05 })
            #expect(first.observation == numbers(first.state).map { Float($0) } && first.stepCount == 0)
            seen.insert(first.state)
            first.reset()
            second.reset()
        }
        #expect(seen.count == 50 && CartPole(seed: 8).state != CartPole(seed: 7).state)
    }

    @Test("environments that do not act stay as they are, and where an episode ends another begins")
    func batch() {
        var poles = EnvironmentBatch(2, seed: 1) { CartPole(seed: $0) }
        let begin = poles.observations
        var isLast = false, steps = 0
        while !isLast {
            isLast = poles.step([1, 1], where: [true, false]).isLast[0]
            steps += 1
        }
        #expect(Array(poles.observations.suffix(4)) == Array(begin.suffix(4)))
        #expect(poles.observations.prefix(4).allSatisfy { abs($0) <= 0.05 })
        #expect(poles.takeReturns() == [Double(steps)] && poles.takeReturns().isEmpty)
    }

    @Test("the picture shows the moments of an episode, and an episode without steps")
    func picture() {
        let frames = CartPole.picture((0..<500).map { [Float($0) / 500, 0, 0.1, 0] })
        #expect(frames.contains("an episode of 500 steps") && frames.contains("step 1<") && frames.contains("step 500<"))
        #expect(CartPole.picture([]).contains("an episode of 0 steps"))
    }
}
