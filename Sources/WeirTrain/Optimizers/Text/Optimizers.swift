public import WeirTensor

/// The optimizers by name, as `weir train --optimizer` and sweeps name them.
public enum Optimizers {
    private static let all: [NamedValue<LearningRate, any Optimizer>] = [
        GradientDescent.named, Momentum.named, Momentum.namedNesterov, Adagrad.named, AdagradDualAveraging.named, Adadelta.named, Adam.named,
        Adam.namedAMSGrad, AdamW.named, Adamax.named, Nadam.named, LAMB.named, Lion.named, RMSProp.named, Ftrl.named,
        ProximalGradientDescent.named, ProximalAdagrad.named,
    ]

    /// The names.
    public static var names: [String] { all.map(\.name) }
    /// The names of the parameters of an optimizer; nil if there is none of this name.
    public static func parameters(of name: String) -> [String]? { all.first { $0.name == name }?.parameters }

    /// The optimizer that a text names: `adam`, `momentum:momentum=0.8,nesterov=true`.
    /// - Throws: `invalidArgument` for a name, a parameter or a value that does not exist, and for a constant rate that is not above 0.
    public static func named(_ text: String, learningRate: LearningRate) throws(Status) -> any Optimizer {
        let parsed = try NamedText(text)
        if let rate = learningRate.constant { try check(learningRate: rate) }
        return try parsed.find("An optimizer", among: all)(learningRate, parsed.settings)
    }

    /// - Throws: `invalidArgument` unless the rate is finite and above 0. With any other, variables stay as they are or diverge.
    static func check(learningRate rate: Double) throws(Status) {
        guard rate > 0, rate.isFinite else { throw .invalidArgument("The learning rate must be above 0 and finite, found \(rate)") }
    }
}

extension NamedValue where Argument == LearningRate, Value == any Optimizer {
    /// Describes an optimizer.
    init<Root: Optimizer>(_ name: String, _ parameters: [NamedParameter<Root>], make: @escaping @Sendable (LearningRate) -> Root) {
        self.init(name, parameters, make: make) { $0 }
    }
}
