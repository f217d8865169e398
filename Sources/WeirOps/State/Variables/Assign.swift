public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Assign`: sets the value of a variable. A value to which nothing else refers is moved, not copied.
    static let assign = OpDefinition(
        "Assign", "(ref: Ref(T), value: T) -> (output_ref: Ref(T))", "T: type", "validate_shape: bool = true",
        "use_locking: bool = true"
    )
    .allowingUninitializedInput()
    .variable(.assignment)
    .resourceForm("AssignVariableOp")
    .shape { c in
        let validates = c.attributes.bool("validate_shape") ?? true
        c.setOutput(0, validates ? try c.input(0).merging(c.input(1)) : c.input(1))
    }
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["T": StateTypes.gpuAssign]) { request in
        let validates = try request.bool("validate_shape")
        return .sync { context in
            let cell = try context.reference(0)
            let shape = context.shape(1)
            try cell.assign(context.takeInput(1), in: context.allocator) { old in
                guard validates, let old, old.shape != shape else { return }
                throw Status.invalidArgument(
                    "Assign requires shapes of both tensors to match. lhs shape= \(old.shape) rhs shape= \(shape)")
            }
            context.setOutput(0, reference: cell)
        }
    }
}

extension Output {
    /// Sets the value of the variable of this reference (`Assign`).
    @discardableResult
    public func assign(_ value: Output, validateShape: Bool = true) -> Output {
        builder.add("Assign", [self, value], attributes: ["validate_shape": .bool(validateShape)])[0]
    }
}
