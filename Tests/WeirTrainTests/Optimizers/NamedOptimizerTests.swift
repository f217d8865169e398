import Testing
import Weir

@testable import WeirTrain

@Suite("Optimizers by name")
struct NamedOptimizerTests {
    @Test("every name makes an optimizer, and every parameter has a value")
    func all() throws {
        for name in Optimizers.names {
            let plain = try Optimizers.named(name, learningRate: 0.25)
            #expect(plain.learningRate.constant == 0.25, "\(name)")
            for parameter in try #require(Optimizers.parameters(of: name)) {
                let isFlag = ["nesterov", "amsgrad", "centered"].contains(parameter)
                let changed = try Optimizers.named("\(name):\(parameter)=\(isFlag ? "true" : "0.625")", learningRate: 0.25)
                #expect("\(changed)" != "\(plain)", "\(name), \(parameter)")
            }
        }
        for name in LearningRateSchedules.names {
            let plain = try LearningRateSchedules.named(name == "piecewise" ? "piecewise:at=3,factors=0.5" : name, rate: 0.25, stepCount: 100)
            #expect((plain.constant == 0.25) == (name == "constant"), "\(name)")
        }
    }

    @Test("parameters are set")
    func parameters() throws {
        let momentum = try #require(try Optimizers.named("momentum:momentum=0.5,nesterov=true", learningRate: 0.1) as? Momentum)
        #expect(momentum.momentum == 0.5 && momentum.nesterov && momentum.learningRate.constant == 0.1)
        let adam = try #require(try Optimizers.named("amsgrad:beta1=0.5,epsilon=1e-4", learningRate: 0.1) as? Adam)
        #expect(adam.beta1 == 0.5 && adam.epsilon == 1e-4 && adam.amsgrad && adam.beta2 == 0.999)
        let cosine = try #require(try LearningRateSchedules.named("cosine:alpha=0.1", rate: 0.5, stepCount: 70).schedule as? CosineDecay)
        #expect(cosine.rate == 0.5 && cosine.steps == 70 && cosine.alpha == 0.1)
        let steps = try #require(
            try LearningRateSchedules.named("piecewise:at=10/20,factors=0.1/0.01", rate: 2, stepCount: 70).schedule as? PiecewiseConstant)
        #expect(steps.boundaries == [10, 20] && steps.values == [2, 0.2, 0.02])
    }

    @Test("a learning rate that is not above 0 and finite is refused", arguments: [0, -0.1, .nan, .infinity])
    func rates(_ rate: Double) throws {
        let constant = #expect(throws: Status.self) { try Optimizers.named("sgd", learningRate: .constant(rate)) }
        let scheduled = #expect(throws: Status.self) { try LearningRateSchedules.named("cosine", rate: rate, stepCount: 10) }
        for error in [constant, scheduled] { #expect(error?.message == "The learning rate must be above 0 and finite, found \(rate)") }
    }

    @Test("a warmup comes before any schedule, which ends with the training")
    func warmup() throws {
        let rate = try LearningRateSchedules.named("polynomial:warmup=10,power=2", rate: 0.5, stepCount: 70)
        let warmup = try #require(rate.schedule as? LinearWarmup)
        let next = try #require(warmup.next.schedule as? PolynomialDecay)
        #expect(warmup.steps == 10 && warmup.start == 0 && next.steps == 60 && next.power == 2 && next.end == 0)
        #expect(try #require(LearningRateSchedules.named("constant:warmup=5", rate: 0.5, stepCount: 70).schedule as? LinearWarmup).next.constant == 0.5)
        #expect(try #require(LearningRateSchedules.named("noam:warmup=5", rate: 0.5, stepCount: 70).schedule as? NoamDecay).warmup == 5)
    }

    @Test(
        "what does not exist is named",
        arguments: [
            ("adm", "one of sgd, momentum"), ("adam:beta3=1", "'adam' has no parameter 'beta3'; its parameters are beta1"),
            ("sgd:momentum=1", "it has none"), ("adam:beta1=x", "'beta1' must be a number, found 'x'"), ("adam:beta1=nan", "must be a number"),
            ("adam:beta1", "NAME:PARAMETER=VALUE"), ("adam:", "NAME:PARAMETER=VALUE"), ("adam:beta1=1,", "NAME:PARAMETER=VALUE"),
            ("momentum:nesterov=1", "must be true or false"), ("adam:beta1=0.5,beta1=0.6", "given twice"),
        ])
    func wrong(_ text: String, _ expected: String) {
        let status = #expect(throws: Status.self) { try Optimizers.named(text, learningRate: 0.1) }
        #expect(status?.code == .invalidArgument && status?.message.firstRange(of: expected) != nil, "\(status?.message ?? "")")
    }

    @Test(
        "schedules that cannot be are refused before the graph is built",
        arguments: ["cosin", "cosine:steps=0", "cosine:warmup=0", "cosine:steps=-3", "piecewise", "piecewise:at=1/x,factors=1/2", "exponential:decay=-1"])
    func wrongSchedule(_ text: String) {
        let status = #expect(throws: Status.self) { try LearningRateSchedules.named(text, rate: 0.1, stepCount: 10) }
        #expect(status?.code == .invalidArgument)
    }
}
