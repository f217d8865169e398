// Looks for a good learning rate and width by asynchronous successive halving: many configurations train for a few steps, and the
// better third of them goes on each time. A sweep that was interrupted goes on where it stopped.
import Weir

let directory = CommandLine.arguments.dropFirst().first ?? ".build/sweep"
let table = try Table.iris()

// `weir sweep` reads the same from a file. The names of the options are up to the runner below, except for the steps.
let specification = try SweepSpecification(
    base: ["batch": .integer(16)],
    parameters: [
        SweepParameter("learning-rate", .range(ParameterRange(0.001, 1, scale: .log))),
        SweepParameter("hidden", .values([.integer(4), .integer(16), .integer(32)])),
    ],
    method: .asha(SearchMethod.Rungs(eta: 3, minimum: 10, maximum: 90)), trials: 9, objective: SweepObjective("test_loss", .min))

/// What a configuration means: the options of a training.
@Sendable func options(_ configuration: [String: ParameterValue]) throws -> TrainingOptions {
    guard case .integer(let units) = configuration["hidden"], case .integer(let batch) = configuration["batch"],
        let rate = configuration["learning-rate"]?.double
    else { throw Status.invalidArgument("expected hidden, batch and learning-rate, found \(configuration)") }
    let network = DenseNetwork(inputCount: table.featureCount, hidden: [units], classCount: table.classes.count)
    return try TrainingOptions(network, table: table, optimizer: Momentum(learningRate: .constant(rate)), batchSize: batch)
}

// Two trials at a time in this process. With servers, each trains one: `.address("host:2222")`.
let scheduler = SweepScheduler(
    specification, servers: [.slot(0), .slot(1)], runner: TrainingTrialRunner(options), directory: directory
) { event in
    if case .ended(let trial, let report, let value) = event { print("trial \(trial): loss \(value) after \(report.step) steps") }
}
let result = try await scheduler.run()
try result.write(to: directory)
print(result.table)

guard let best = result.best, let value = best.value, value < 0.4, let checkpoint = best.checkpoint else {
    throw Status.internalError("expected a trial with a loss below 0.4 and its checkpoint, found \(result.table)")
}
print("the best trial is saved as \(checkpoint)")
