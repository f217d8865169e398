public import WeirGraph
import WeirOps
import WeirTensor

/// What an optimizer has to build the update of one variable.
public struct VariableUpdate: Sendable {
    /// The variable.
    public let variable: Variable
    /// The name of the larger variable that it is a part of; its own name if it is not a part.
    public let wholeName: String
    /// Its gradient.
    public internal(set) var gradient: VariableGradient.Value
    /// The variables for `Optimizer.slots`, in their order.
    public internal(set) var slots: [Variable]
    /// The variables for `Optimizer.scalars`, in their order.
    public internal(set) var scalars: [Variable]
    /// What the updates of all variables share.
    public let step: UpdateStep

    /// The builder.
    public var builder: GraphBuilder { step.builder }
    /// The learning rate, a scalar of the variable's type.
    public var rate: Output { step.rate(variable.dtype) }
    /// A constant of the variable's type.
    public func number(_ value: Double) -> Output { builder.scalar(value, variable.dtype) }
    /// The value of scalar variable `index` before this update, in the variable's type.
    public func scalar(_ index: Int) -> Output {
        let value = scalars[index].value
        return value.dtype == variable.dtype ? value : value.cast(to: variable.dtype)
    }
    /// Adds an operation that updates the variable: one of TensorFlow's `ResourceApply…` and `ResourceSparseApply…`. The variable's
    /// handle is its first input.
    public func apply(_ op: String, _ inputs: [Output], attributes: Attributes = [:]) -> Operation {
        var all = attributes
        all["T"] = .type(variable.dtype)
        all["use_locking"] = .bool(true)
        return builder.add(op, [variable.handle] + inputs, attributes: all)
    }
    /// Builds nodes on the variable's device.
    public func colocated<R>(_ body: () -> R) -> R { builder.colocate(with: variable.handle.operation, body) }
    /// The value that a variable has when the gradient is there. A step that waits for its turn to update sees no older value.
    public func current(_ other: Variable) -> Output {
        let operation =
            switch gradient {
            case .dense(let output): output.operation
            case .sparse(_, let rows): rows.operation
            }
        return builder.controlDependencies([operation]) { other.read() }
    }
    /// The gradient as one tensor of the variable's shape.
    public var denseGradient: Output { VariableGradient(variable, gradient).dense() }
}
