public import WeirGraph
import WeirTensor

/// Updates variables from gradients.
///
/// An optimizer declares its slots and builds the update of one variable. `GraphBuilder.apply` does what all optimizers have in
/// common.
public protocol Optimizer: Sendable {
    /// The optimizer's name. It prefixes the names of the scalar variables and of the update operation.
    var name: String { get }
    /// The variables that the optimizer keeps for each trained variable: name and initial value.
    var slots: [(name: String, initial: Double)] { get }
    /// The scalar variables that the optimizer keeps once: name and initial value.
    var scalars: [(name: String, initial: Double)] { get }
    /// Builds the update of one variable.
    /// - Parameters:
    ///   - slots: the variables for `slots`, in their order.
    ///   - scalars: the variables for `scalars`, in their order.
    func update(_ variable: Variable, slots: [Variable], scalars: [Variable], gradient: Output) -> Operation
    /// Builds the update of some rows of a variable: the gradient of all other rows is zero. By default all rows are updated, with
    /// a gradient of the variable's size that is made on its device.
    ///
    /// As in TensorFlow, an optimizer whose slots decay may leave the slots of the other rows as they are.
    /// - Parameters:
    ///   - indices: the rows, a vector of `int32` or `int64` without duplicates.
    ///   - rows: row `i` is the gradient of row `indices[i]`.
    func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation
    /// Builds the operations that run after the updates of all variables.
    func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation]
}

extension Optimizer {
    /// No slots.
    public var slots: [(name: String, initial: Double)] { [] }
    /// No scalars.
    public var scalars: [(name: String, initial: Double)] { [] }
    /// Updates all rows.
    public func sparseUpdate(_ variable: Variable, slots: [Variable], scalars: [Variable], indices: Output, rows: Output) -> Operation {
        let gradient = VariableGradient(variable, .sparse(indices: indices, rows: rows))
        return update(variable, slots: slots, scalars: scalars, gradient: gradient.dense())
    }
    /// No further operations.
    public func finish(_ builder: GraphBuilder, scalars: [Variable]) -> [Operation] { [] }
}

extension Optimizer {
    /// Builds an update, or records an error when there is not one variable for each slot and scalar.
    func checked(_ variable: Variable, _ slots: [Variable], _ scalars: [Variable], _ build: (GraphBuilder) -> Operation) -> Operation {
        let builder = variable.handle.builder
        guard slots.count == self.slots.count, scalars.count == self.scalars.count else {
            builder.record(
                .invalidArgument(
                    "\(name) needs \(self.slots.count) slots and \(self.scalars.count) scalars for variable '\(variable.name)', "
                        + "found \(slots.count) and \(scalars.count)"))
            return builder.add("NoOp")
        }
        return build(builder)
    }
}

extension Optimizer {
    /// Adds the gradients of `loss`, and the update of variables from them. TensorFlow's `Optimizer.minimize`.
    ///
    /// ```swift
    /// let update = Adam(learningRate: 0.02).minimize(loss, over: [weights, biases])
    /// ```
    /// Records an error that names the variable if the loss does not depend on one of them.
    /// - Parameter globalStep: incremented after all updates.
    public func minimize(_ loss: Output, over variables: [Variable], globalStep: Variable? = nil) -> OptimizerUpdate {
        let gradients = loss.builder.gradients(of: loss, with: variables)
        return loss.builder.apply(self, [(Variable, Output)](zip(variables, gradients)), globalStep: globalStep)
    }
}

/// The result of `GraphBuilder.apply`.
public struct OptimizerUpdate: Sendable {
    /// Updates all variables.
    public let operation: Operation
    /// The variables that the optimizer added.
    public let variables: [Variable]
}

extension GraphBuilder {
    /// Builds the update of variables from their gradients. Each update is colocated with its variable.
    ///
    /// - Parameter globalStep: incremented after all updates.
    public func apply(_ optimizer: any Optimizer, _ gradients: [(Variable, Output)], globalStep: Variable? = nil) -> OptimizerUpdate {
        apply(optimizer, gradients.map { VariableGradient($0, .dense($1)) }, globalStep: globalStep)
    }

    /// Builds the update of variables from their gradients. Each update is colocated with its variable. Of a variable with a sparse
    /// gradient, `Optimizer.sparseUpdate` updates some rows.
    ///
    /// - Parameter globalStep: incremented after all updates.
    public func apply(_ optimizer: any Optimizer, _ gradients: [VariableGradient], globalStep: Variable? = nil) -> OptimizerUpdate {
        var added: [Variable] = []
        let first = gradients.first?.variable
        let scalars = optimizer.scalars.map { entry in
            colocated(with: first) { variable("\(optimizer.name)/\(entry.name)") { scalar(entry.initial, first?.dtype ?? .float32) } }
        }
        added += scalars
        let updates = gradients.map { gradient in
            let target = gradient.variable
            let slots = optimizer.slots.map { slot in
                // The slot of a part is the same part of the larger variable's slot.
                var slice = target.slice
                slice?.fullName += "/\(slot.name)"
                return colocated(with: target) {
                    variable("\(target.name)/\(slot.name)", slice: slice) { filled(target.shape, with: slot.initial, target.dtype) }
                }
            }
            added += slots
            return colocated(with: target) {
                switch gradient.value {
                case .dense(let output): optimizer.update(target, slots: slots, scalars: scalars, gradient: output)
                case .sparse(let indices, let rows):
                    optimizer.sparseUpdate(target, slots: slots, scalars: scalars, indices: indices, rows: rows)
                }
            }
        }
        var last = controlDependencies(updates) {
            colocated(with: first) { optimizer.finish(self, scalars: scalars) }
        }
        last += updates
        if let globalStep {
            let count = controlDependencies(last) {
                colocated(with: globalStep) { globalStep.assignAdd(scalar(1, globalStep.dtype)) }
            }
            last = [count]
        }
        // Beside the global step, so that what waits for the update there does not wait for a message from elsewhere.
        let update = colocated(with: globalStep) { group(last, name: "\(optimizer.name)/update") }
        return OptimizerUpdate(operation: update, variables: added)
    }

    private func colocated<R>(with variable: Variable?, _ body: () -> R) -> R {
        guard let variable else { return body() }
        return colocate(with: variable.handle.operation, body)
    }
}
