public import WeirGraph
import WeirOps
import WeirTensor

/// The result of `GraphBuilder.apply`.
public struct OptimizerUpdate: Sendable {
    /// Updates all variables.
    public let operation: Operation
    /// The variables that the optimizer added.
    public let variables: [Variable]
    /// The moving averages that are evaluated in place of the trained variables; empty if the variables are evaluated.
    public let averages: [(variable: Variable, average: Variable)]
    /// Those of `variables` that begin with the value of a trained variable, which workers that must begin alike share.
    let copies: [(variable: Variable, copy: Variable)]
    /// The other `variables`.
    var others: [Variable] {
        let handles = Set(copies.map(\.copy.handle))
        return variables.filter { !handles.contains($0.handle) }
    }
}

extension GraphBuilder {
    /// Builds the update of variables from their gradients. Each update is colocated with its variable.
    ///
    /// - Parameter globalStep: incremented after all updates. A scheduled learning rate needs it.
    public func apply(_ optimizer: any Optimizer, _ gradients: [(Variable, Output)], globalStep: Variable? = nil) -> OptimizerUpdate {
        apply(optimizer, gradients.map { VariableGradient($0, .dense($1)) }, globalStep: globalStep)
    }

    /// Builds the update of variables from their gradients. Each update is colocated with its variable. Of a variable with a sparse
    /// gradient, `Optimizer.sparseUpdate` updates some rows.
    ///
    /// - Parameter globalStep: incremented after all updates. A scheduled learning rate needs it.
    public func apply(_ optimizer: any Optimizer, _ gradients: [VariableGradient], globalStep: Variable? = nil) -> OptimizerUpdate {
        apply(optimizer, gradients, globalStep: globalStep, after: [])
    }

    /// The same for a step of which several may be in flight.
    /// - Parameter before: operations before which the step must read no variable.
    func apply(
        _ optimizer: any Optimizer, _ gradients: [VariableGradient], globalStep: Variable?, after before: [Operation]
    ) -> OptimizerUpdate {
        let step = updateStep(optimizer, gradients, globalStep: globalStep, after: before)
        let clipped = GradientClipping.apply(optimizer.clipping, gradients, in: self)
        return apply(optimizer, clipped, step: step, counting: globalStep)
    }

    /// Builds what the updates of one step share.
    func updateStep(
        _ optimizer: any Optimizer, _ gradients: [VariableGradient], globalStep: Variable?, after before: [Operation] = []
    ) -> UpdateStep {
        UpdateStep(self, optimizer, dtypes: Set(gradients.map(\.variable.dtype)), globalStep: globalStep, after: before)
    }

    /// Builds the updates from gradients that are clipped.
    /// - Parameter globalStep: incremented after all updates.
    func apply(
        _ optimizer: any Optimizer, _ gradients: [VariableGradient], step: UpdateStep, counting globalStep: Variable?
    ) -> OptimizerUpdate {
        var added: [Variable] = []
        var averages: [(variable: Variable, average: Variable)] = []
        var copies: [(variable: Variable, copy: Variable)] = []
        let first = gradients.first?.variable
        let scalars = optimizer.scalars.map { entry in
            colocated(with: first) { variable("\(optimizer.name)/\(entry.name)") { scalar(entry.initial, first?.dtype ?? .float32) } }
        }
        added += scalars
        let declared = optimizer.slots, evaluated = optimizer.evaluatedSlot
        let all = gradients.map { gradient in
            let target = gradient.variable
            let slots = declared.map { declare($0, of: target) }
            added += slots
            for (slot, copy) in zip(declared, slots) where slot.initial == .variable { copies.append((target, copy)) }
            if let evaluated, slots.indices.contains(evaluated) { averages.append((target, slots[evaluated])) }
            return VariableUpdate(variable: target, wholeName: gradient.wholeName, gradient: gradient.value, slots: slots, scalars: scalars, step: step)
        }
        let updates = optimizer.updates(all)
        var last = controlDependencies(updates) {
            colocated(with: first) { optimizer.finish(self, scalars: scalars) }
        }
        last += updates
        if let globalStep {
            // The number is read before it changes.
            let read = step.number.map { [$0.operation] } ?? []
            let count = controlDependencies(last + read) {
                colocated(with: globalStep) { globalStep.assignAdd(scalar(1, globalStep.dtype)) }
            }
            last = [count]
        }
        // Beside the global step, so that what waits for the update there does not wait for a message from elsewhere.
        let update = colocated(with: globalStep) { group(last, name: "\(optimizer.name)/update") }
        return OptimizerUpdate(operation: update, variables: added, averages: averages, copies: copies)
    }

    /// Declares a slot of a variable, beside it.
    private func declare(_ slot: OptimizerSlot, of target: Variable) -> Variable {
        // The slot of a part is the same part of the larger variable's slot.
        var slice = target.slice
        slice?.fullName += "/\(slot.name)"
        return colocated(with: target) {
            variable("\(target.name)/\(slot.name)", slice: slice) {
                switch slot.initial {
                case .number(let number): filled(target.shape, with: number, target.dtype)
                case .variable: target.initialValue
                }
            }
        }
    }

    private func colocated<R>(with variable: Variable?, _ body: () -> R) -> R {
        guard let variable else { return body() }
        return colocate(with: variable.handle.operation, body)
    }
}

extension Variable {
    /// The value that the initializer assigns.
    var initialValue: Output {
        let builder = handle.builder
        guard let assigned = builder.node(initializer.id).inputs.dropFirst().first else { return value }
        return Output(builder, assigned)
    }
}
