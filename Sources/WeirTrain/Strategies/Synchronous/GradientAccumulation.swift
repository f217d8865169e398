import WeirGraph
import WeirOps
import WeirTensor

/// What the synchronous update of one variable needs: the accumulator of its gradients, on its device, and what is done with it.
struct GradientAccumulation {
    /// Adds this worker's gradient, unless it is stale.
    let apply: Operation
    /// Sets the accumulator's step.
    let setStep: Operation
    /// The mean of the gradients, once enough have arrived.
    let mean: VariableGradient
    /// How many gradients of each worker are in the mean, `int32`; nil if no ledger is kept.
    let contributions: Output?
    /// The handle, if it can be destroyed.
    let handle: Output?
    /// Empties an accumulator that cannot be destroyed.
    let reset: Operation?

    /// What the accumulators of one worker's graph have in common.
    struct Settings {
        /// The step from which the worker read the variables.
        let localStep: Variable
        /// What marks gradients of the current step.
        let stamp: Output
        /// The number of gradients for one update.
        let required: Int
        /// The number of workers.
        let workerCount: Int
        /// The number of this worker in the ledger, from 0; nil if none is kept.
        let ledgerWorker: Int?
        /// Operations after which the gradients are taken.
        let turn: [Operation]

        /// A vector of `count` elements, at least as many as there are workers: 1 at this worker's number, 0 elsewhere.
        func oneHot(_ count: Int, _ dtype: DType, _ builder: GraphBuilder) -> Output {
            let flags = (0..<max(count, 1)).map { $0 == (ledgerWorker ?? 0) ? Float(1) : 0 }
            return builder.constant(Tensor(flags)).cast(to: dtype)
        }
    }

    /// Adds the accumulator of a dense gradient.
    ///
    /// With a ledger, a vector that is 1 at the worker's number follows the gradient's elements in the accumulator. Its sum over the
    /// gradients says exactly how many of each worker there are, because the accumulator adds or drops both together.
    static func dense(_ builder: GraphBuilder, _ variable: Variable, _ gradient: Output, _ settings: Settings) -> GradientAccumulation {
        let count = variable.shape.elementCount
        let keepsLedger = settings.ledgerWorker != nil
        let shape = keepsLedger ? Shape(count + settings.workerCount) : variable.shape
        let sent =
            keepsLedger
            ? builder.concatenated([gradient.flattened(), settings.oneHot(settings.workerCount, variable.dtype, builder)], axis: 0) : gradient
        return builder.colocate(with: variable.handle.operation) {
            // Accumulators with and without a ledger differ in shape, so they have different names.
            let name = keepsLedger ? "\(variable.name)/grad_accum_ledger" : "\(variable.name)/grad_accum"
            let handle = builder.conditionalAccumulator(
                variable.dtype, PartialShape(shape), sharedName: name, takesMean: !keepsLedger, name: name)
            let apply = handle.applyGradient(sent, localStep: settings.localStep.value)
            let setStep = handle.setGlobalStep(settings.stamp)
            let required = builder.scalar(Double(settings.required), .int32)
            let taken = builder.controlDependencies(settings.turn) { handle.takeGradient(required, variable.dtype) }
            guard keepsLedger else {
                return GradientAccumulation(
                    apply: apply, setStep: setStep, mean: VariableGradient(variable, .dense(taken)), contributions: nil, handle: handle, reset: nil)
            }
            builder.refineShape(of: taken, PartialShape(shape))
            let contributions = taken.sliced(at: [count], size: [settings.workerCount]).cast(to: .int32)
            let sum = taken.sliced(at: [0], size: [count]).reshaped(to: variable.shape.dimensions)
            let mean = sum / contributions.sum(axes: [0]).cast(to: variable.dtype)
            return GradientAccumulation(
                apply: apply, setStep: setStep, mean: VariableGradient(variable, .dense(mean)), contributions: contributions, handle: handle, reset: nil)
        }
    }
}
