public import WeirGraph

/// Updates variables from gradients.
///
/// An optimizer declares its slots and builds the update of one variable. `GraphBuilder.apply` does what all optimizers have in
/// common.
public protocol Optimizer: Sendable {
    /// The optimizer's name. It prefixes the names of the scalar variables and of the update operation.
    var name: String { get }
    /// The learning rate: a number, or a schedule. 0 for an optimizer without one.
    var learningRate: LearningRate { get }
    /// The variables that the optimizer keeps for each trained variable.
    var slots: [OptimizerSlot] { get }
    /// The scalar variables that the optimizer keeps once: name and initial value.
    var scalars: [(name: String, initial: Double)] { get }
    /// Whether updates use `UpdateStep.number`, as those with a scheduled learning rate always do.
    var usesStepNumber: Bool { get }
    /// What is done with the gradients before the updates, in this order.
    var clipping: [GradientClipping] { get }
    /// The number, in `slots`, of the moving average that is evaluated in place of a variable; nil if the variable is evaluated.
    var evaluatedSlot: Int? { get }
    /// Builds the update of one variable from a gradient of its shape, in the scopes of the variable's device.
    func update(_ update: VariableUpdate, gradient: Output) -> Operation
    /// Builds the update of some rows of a variable: the gradient of all other rows is zero. By default all rows are updated, with
    /// a gradient of the variable's size that is made on its device.
    ///
    /// As in TensorFlow, an optimizer whose slots decay may leave the slots of the other rows as they are.
    /// - Parameters:
    ///   - indices: the rows, a vector of `int32` or `int64` without duplicates.
    ///   - rows: row `i` is the gradient of row `indices[i]`.
    func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation
    /// Builds the updates of all variables. By default each by `update` or `sparseUpdate`; an optimizer for which an update depends
    /// on several variables, or whose updates share values, has its own.
    /// - Returns: for each variable, in their order, the operation that ends its update.
    func updates(_ all: [VariableUpdate]) -> [Operation]
    /// Builds the operations that run after the updates of all variables.
    func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation]
}

extension Optimizer {
    /// No learning rate.
    public var learningRate: LearningRate { 0 }
    /// No slots.
    public var slots: [OptimizerSlot] { [] }
    /// No scalars.
    public var scalars: [(name: String, initial: Double)] { [] }
    /// Only a scheduled learning rate needs it.
    public var usesStepNumber: Bool { false }
    /// Gradients are used as they are.
    public var clipping: [GradientClipping] { [] }
    /// The variables are evaluated.
    public var evaluatedSlot: Int? { nil }
    /// Updates all rows.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        let gradient = VariableGradient(update.variable, .sparse(indices: indices, rows: rows))
        return self.update(update, gradient: gradient.dense())
    }
    /// Updates each variable by itself.
    public func updates(_ all: [VariableUpdate]) -> [Operation] { all.map { separateUpdate($0) } }
    /// No further operations.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] { [] }

    /// The update of one variable, on its device.
    func separateUpdate(_ one: VariableUpdate) -> Operation {
        one.colocated {
            switch one.gradient {
            case .dense(let output): update(one, gradient: output)
            case .sparse(let indices, let rows): sparseUpdate(one, indices: indices, rows: rows)
            }
        }
    }
}

extension Optimizer {
    /// Adds the gradients of `loss`, and the update of variables from them. TensorFlow's `Optimizer.minimize`.
    ///
    /// ```swift
    /// let update = Adam(learningRate: 0.02).minimize(loss, over: [weights, biases])
    /// ```
    /// Records an error that names the variable if the loss does not depend on one of them.
    /// - Parameter globalStep: incremented after all updates. A scheduled learning rate needs it.
    public func minimize(_ loss: Output, over variables: [Variable], globalStep: Variable? = nil) -> OptimizerUpdate {
        let gradients = loss.builder.gradients(of: loss, with: variables)
        return loss.builder.apply(self, [(Variable, Output)](zip(variables, gradients)), globalStep: globalStep)
    }
}
