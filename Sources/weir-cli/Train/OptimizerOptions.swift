import ArgumentParser
import Weir

/// The options of the updates of the variables.
struct OptimizerOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Random seed: initial weights, batches, held-out rows.") var seed = 1
    @Option(parsing: .unconditional, help: "Updates of the variables (default: dnn 200, cnn 600, transformer 800).") var steps: Int?
    @Option(parsing: .unconditional, help: "Rows a worker takes for one gradient (default: 32).") var batch: Int?
    @Option(help: "sgd, momentum, adagrad, adam or rmsprop (default: dnn momentum; cnn, transformer adam).") var optimizer: String?
    @Option(parsing: .unconditional, help: "Learning rate (default: 0.01; adam of cnn 0.004, of transformer 0.002).") var learningRate: Double?

    func validate() throws {
        try require("--steps", steps, in: OptionRange.steps)
        try require("--batch", batch, in: 1...1_000_000)
        try require("--learning-rate", learningRate, in: 0...1e6)
    }

    /// The learning rate.
    func rate(_ defaults: TrainingDefaults) -> Double {
        learningRate ?? (optimizer ?? defaults.optimizer == defaults.optimizer ? defaults.learningRate : 0.01)
    }

    /// The optimizer.
    func named(_ defaults: TrainingDefaults) throws -> any Optimizer {
        let name = optimizer ?? defaults.optimizer
        let rate = self.rate(defaults)
        switch name {
        case "sgd": return GradientDescent(learningRate: rate)
        case "momentum": return Momentum(learningRate: rate)
        case "adagrad": return Adagrad(learningRate: rate)
        case "adam": return Adam(learningRate: rate)
        case "rmsprop": return RMSProp(learningRate: rate)
        default: throw Status.invalidArgument("--optimizer must be sgd, momentum, adagrad, adam or rmsprop, found '\(name)'")
        }
    }
}
