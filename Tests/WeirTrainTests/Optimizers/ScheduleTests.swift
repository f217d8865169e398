import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

@Suite("Learning-rate schedules")
struct ScheduleTests {
    /// The rates at some steps.
    private func rates(_ schedule: some LearningRateSchedule, at steps: [Int]) async throws -> [Double] {
        let builder = GraphBuilder()
        let step = builder.placeholder(.float64, shape: .scalar)
        let rate = LearningRate(schedule).value(builder, step: step)
        let session = try await Session(builder.graph())
        var result: [Double] = []
        for number in steps { result.append(try await session.run(rate, feeding: [step: Tensor(Double(number))]).scalar(of: Double.self)) }
        return result
    }

    private func expect(_ schedule: some LearningRateSchedule, _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let found = try await rates(schedule, at: [0, 1, 5, 10, 17, 30, 31, 100])
        // TensorFlow computes in single precision.
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(abs($1), 1e-3) }, "\(found)", sourceLocation: sourceLocation)
        #expect(found.count == expected.count)
    }

    @Test("decays are TensorFlow's")
    func decays() async throws {
        try await expect(
            ExponentialDecay(0.1, steps: 10, decayRate: 0.7),
            [0.1, 0.0964961126, 0.0836660042, 0.07, 0.05453391, 0.0343, 0.0330981649, 0.00282475213])
        try await expect(
            ExponentialDecay(0.1, steps: 10, decayRate: 0.7, staircase: true), [0.1, 0.1, 0.1, 0.07, 0.07, 0.0343, 0.0343, 0.00282475213])
        try await expect(
            NaturalExpDecay(0.1, steps: 10, decayRate: 0.7),
            [0.1, 0.0932393894, 0.0704688057, 0.0496585332, 0.0304221269, 0.012245643, 0.0114177633, 9.11882089e-05])
        try await expect(
            NaturalExpDecay(0.1, steps: 10, decayRate: 0.7, staircase: true),
            [0.1, 0.1, 0.1, 0.0496585332, 0.0496585332, 0.012245643, 0.012245643, 9.11882089e-05])
        try await expect(
            InverseTimeDecay(0.1, steps: 10, decayRate: 0.7),
            [0.1, 0.0934579372, 0.0740740746, 0.0588235296, 0.0456621014, 0.0322580673, 0.0315457433, 0.0125])
        try await expect(
            InverseTimeDecay(0.1, steps: 10, decayRate: 0.7, staircase: true),
            [0.1, 0.1, 0.1, 0.0588235296, 0.0588235296, 0.0322580673, 0.0322580673, 0.0125])
        try await expect(PiecewiseConstant(boundaries: [5, 30], values: [0.1, 0.03, 0.007]), [0.1, 0.1, 0.1, 0.03, 0.03, 0.03, 0.007, 0.007])
        try await expect(PolynomialDecay(0.1, steps: 30, end: 0.01, power: 2), [0.1, 0.0941, 0.0725, 0.05, 0.0269, 0.01, 0.01, 0.01])
        try await expect(
            PolynomialDecay(0.1, steps: 15, end: 0.01, power: 0.5, cycle: true),
            [0.1, 0.096948266, 0.0834846869, 0.0619615242, 0.0692452565, 0.01, 0.0601996034, 0.0296396092])
    }

    @Test("cosine waves are TensorFlow's, restarts and warmup too")
    func cosines() async throws {
        try await expect(CosineDecay(0.1, steps: 30, alpha: 0.2), [0.1, 0.0997808799, 0.0946410224, 0.08, 0.0516835339, 0.02, 0.02, 0.02])
        try await expect(
            CosineDecayRestarts(0.1, steps: 10, rateFactor: 0.8, alpha: 0.1),
            [0.1, 0.0977975428, 0.055, 0.082, 0.062343657, 0.0676, 0.0675112233, 0.0418570302])
        try await expect(
            CosineDecayRestarts(0.1, steps: 12, periodFactor: 1, rateFactor: 0.5),
            [0.1, 0.0982962921, 0.0629409552, 0.00669873087, 0.0314704813, 0.0125, 0.00926476531, 0.000292968907])
        // Keras's CosineDecay(0.01, 20, alpha=0.1, warmup_target=0.1, warmup_steps=10).
        try await expect(
            LinearWarmup(steps: 10, from: 0.01, to: LearningRate(CosineDecay(0.1, steps: 20, alpha: 0.1))),
            [0.01, 0.019, 0.055, 0.1, 0.0754295737, 0.01, 0.01, 0.01])
    }

    @Test("every period of restarts begins at its highest rate, whatever the logarithms' rounding")
    func restarts() async throws {
        var steps: [Int] = [], begin = 0, length = 5
        for _ in 0..<9 {
            steps.append(begin)
            begin += length
            length *= 3
        }
        let found = try await rates(CosineDecayRestarts(1, steps: 5, periodFactor: 3), at: steps)
        #expect(found.allSatisfy { abs($0 - 1) < 1e-6 }, "\(found)")
    }

    @Test("Noam's rate grows for the warmup and then falls with the root of the number")
    func noam() async throws {
        let found = try await rates(NoamDecay(2, warmup: 4, size: 16), at: [0, 1, 3, 15])
        let expected = [0.0625, 0.125, 0.25, 0.125]
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 }, "\(found)")
    }

    @Test("a schedule with wrong parameters cannot be built")
    func wrong() {
        let schedules: [any LearningRateSchedule] = [
            ExponentialDecay(0.1, steps: 0, decayRate: 0.5), ExponentialDecay(0.1, steps: 1, decayRate: -0.5),
            InverseTimeDecay(0.1, steps: 1, decayRate: -1), PiecewiseConstant(boundaries: [3], values: [1]),
            PiecewiseConstant(boundaries: [3, 3], values: [1, 2, 3]), PolynomialDecay(0.1, steps: -1), CosineDecay(0.1, steps: 0),
            CosineDecayRestarts(0.1, steps: 5, periodFactor: 0.5), LinearWarmup(steps: 0, to: 0.1),
            LinearWarmup(steps: 5, to: LearningRate(CosineDecay(0.1, steps: 0))), NoamDecay(warmup: 0),
        ]
        for schedule in schedules {
            let builder = GraphBuilder()
            _ = LearningRate(schedule).value(builder, step: builder.constant(Tensor(0.0)))
            #expect(builder.failure?.code == .invalidArgument, "\(schedule)")
        }
    }

    @Test("an update takes the rate of the updates before it")
    func updates() async throws {
        let optimizer = GradientDescent(learningRate: LearningRate(PiecewiseConstant(boundaries: [1], values: [1, 0.25])))
        let builder = GraphBuilder()
        let variable = builder.variable("v", initial: 0.0)
        let step = builder.globalStep()
        let update = builder.apply(optimizer, [(variable, builder.constant(-1.0))], globalStep: step)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        var values: [Float] = []
        for _ in 0..<4 {
            try await session.run(update.operation)
            values.append(try await session.run(variable.value).scalar(of: Float.self))
        }
        #expect(values == [1, 2, 2.25, 2.5])
    }
}
