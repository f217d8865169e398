public import WeirGraph

/// An optimizer that changes what another one does. What it does not define itself is the other one's.
public protocol OptimizerWrapper: Optimizer {
    /// The optimizer that is wrapped.
    var base: any Optimizer { get }
}

extension OptimizerWrapper {
    /// The wrapped optimizer's name.
    public var name: String { base.name }
    /// The wrapped optimizer's rate.
    public var learningRate: LearningRate { base.learningRate }
    /// The wrapped optimizer's slots.
    public var slots: [OptimizerSlot] { base.slots }
    /// The wrapped optimizer's scalars.
    public var scalars: [(name: String, initial: Double)] { base.scalars }
    /// Whether the wrapped optimizer needs it.
    public var usesStepNumber: Bool { base.usesStepNumber }
    /// The wrapped optimizer's clipping.
    public var clipping: [GradientClipping] { base.clipping }
    /// The wrapped optimizer's moving average.
    public var evaluatedSlot: Int? { base.evaluatedSlot }
    /// The wrapped optimizer's update.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation { base.update(update, gradient: gradient) }
    /// The wrapped optimizer's update of rows.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        base.sparseUpdate(update, indices: indices, rows: rows)
    }
    /// The wrapped optimizer's updates.
    public func updates(_ all: [VariableUpdate]) -> [Operation] { base.updates(all) }
    /// The wrapped optimizer's last operations.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] { base.finish(builder, scalars: scalars) }
}
