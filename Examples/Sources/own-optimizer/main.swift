// An optimizer and a learning-rate schedule of one's own, with clipped gradients and averaged variables, under several strategies.
import Weir

/// Takes steps of one size, in the direction of the sum of all gradients so far.
struct SignDescent: Optimizer {
    let name = "SignDescent"
    var learningRate: LearningRate
    var slots: [OptimizerSlot] { [OptimizerSlot("SignDescent", 0)] }

    func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        let sum = update.current(update.slots[0]) * 0.9 + gradient
        return update.builder.group([
            update.slots[0].assign(sum),
            update.apply("ResourceApplyGradientDescent", [update.rate, sum.sign()]),
        ])
    }
}

/// Falls with the root of the number of updates.
struct RootDecay: LearningRateSchedule {
    var rate: Double
    func value(_ builder: GraphBuilder, step: Output) -> Output { (step + 1).rsqrt() * rate }
}

let network = DenseNetwork(inputCount: 4, hidden: [16], classCount: 3)
let optimizer = SignDescent(learningRate: LearningRate(RootDecay(rate: 0.05))).clipped(.globalNorm(1)).averaged(decay: 0.9)
var options = try TrainingOptions(network, table: .iris(), optimizer: optimizer, stepCount: 60)
options.devices = ["/cpu:0", "/cpu:1"]
options.localDevices = try LocalDevices(cpuCount: 2)

// The rate, the norm of all gradients and the averages are those of one device, wherever a strategy puts the variables.
for strategy in [SingleDevice(), TensorParallel(), InGraphReplication()] as [any Strategy] {
    options.strategy = strategy
    let report = try await Trainer(options).run()
    print("\(strategy.name): loss \(report.losses.last?.loss ?? .nan), accuracy \(report.testAccuracy)")
    guard report.testAccuracy >= 0.8 else { throw Status.internalError("\(strategy.name): expected an accuracy of 0.8, found \(report.testAccuracy)") }
}
