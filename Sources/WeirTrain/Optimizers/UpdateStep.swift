public import WeirGraph
import WeirOps
public import WeirTensor

/// What the updates of all variables in one step share: the number of updates before it, and the learning rate.
///
/// A scheduled rate is computed once, beside the global step, and each device with variables gets the one number. A constant rate
/// costs nothing: it is a constant on each variable's device.
public struct UpdateStep: Sendable {
    /// The builder.
    public let builder: GraphBuilder
    /// The number of updates before this one, an `int64` scalar beside the global step; nil if neither
    /// `Optimizer.usesStepNumber` nor the learning rate asks for it.
    public let number: Output?
    private let learningRate: LearningRate
    /// The values of a scheduled rate.
    private let rates: [DType: Output]

    /// Builds what an optimizer's updates share. Records an error if the optimizer needs the number of updates and there is no global
    /// step.
    /// - Parameters:
    ///   - dtypes: the types of the variables.
    ///   - before: operations before which the number must not be read.
    init(_ builder: GraphBuilder, _ optimizer: any Optimizer, dtypes: Set<DType>, globalStep: Variable?, after before: [Operation]) {
        self.builder = builder
        let learningRate = optimizer.learningRate
        self.learningRate = learningRate
        guard learningRate.schedule != nil || optimizer.usesStepNumber else {
            (number, rates) = (nil, [:])
            return
        }
        guard let globalStep else {
            builder.record(
                .invalidArgument("\(optimizer.name) needs the number of updates, for which 'globalStep' must be given; found none"))
            (number, rates) = (nil, [:])
            return
        }
        (number, rates) = builder.colocate(with: globalStep.handle.operation) {
            builder.nameScope("learning_rate") { () -> (Output?, [DType: Output]) in
                let read = builder.controlDependencies(before) { globalStep.read() }
                let number = read.dtype == .int64 ? read : read.cast(to: .int64)
                guard learningRate.schedule != nil else { return (number, [:]) }
                let rate = learningRate.value(builder, step: number.cast(to: .float64))
                // In the order of names, so that all clients build the same graph.
                let pairs = dtypes.sorted { "\($0)" < "\($1)" }.map { ($0, $0 == .float64 ? rate : rate.cast(to: $0)) }
                return (number, Dictionary(uniqueKeysWithValues: pairs))
            }
        }
    }

    /// The learning rate as a scalar of a type. A constant is built in the builder's current scopes.
    public func rate(_ dtype: DType) -> Output { rates[dtype] ?? builder.scalar(learningRate.constant ?? 0, dtype) }
}
