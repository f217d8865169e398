public import WeirGraph
import WeirTensor

extension GraphBuilder {
    /// The number of updates of a training, for `Optimizer.minimize` and hooks: the `int64` variable `global_step`, which is declared in
    /// the builder's current scopes unless it is there. TensorFlow's `get_or_create_global_step`.
    public func globalStep() -> Variable { declaredGlobalStep ?? variable("global_step") { scalar(0, .int64) } }

    /// The number of updates, if it is declared.
    var declaredGlobalStep: Variable? {
        variables.first { $0.name == "global_step" } ?? variables.first { $0.name.hasSuffix("/global_step") }
    }
}
