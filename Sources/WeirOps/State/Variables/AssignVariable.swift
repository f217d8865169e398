public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `AssignVariableOp`: sets the value of a resource variable, which it creates if necessary. The value is not copied.
    static let assignVariableOp = OpDefinition(
        "AssignVariableOp", "(resource: resource, value: dtype) -> ()", "dtype: type", "validate_shape: bool = false"
    )
    .stateful()
    .variable(.assignment)
    .shape(StateShapes.assignment)
    .noGradient()
    .cudaAsOnHost()
    .kernel(gpu: ["dtype": StateTypes.gpuAssign], hostMemory: ["resource"]) { request in
        let (dtype, validates) = (try request.type("dtype"), try request.bool("validate_shape"))
        let lookup = HandleLookup<ResourceVariable>()
        return .sync { context in
            let handle = context.input(0)
            let value = context.input(1)
            let variable = try lookup.findOrCreate(handle, context) { ResourceVariable(name: $0.name, dtype: dtype) }
            guard variable.dtype == dtype else {
                throw Status.invalidArgument(
                    "Trying to assign variable with wrong dtype. Expected \(variable.dtype) got \(dtype)")
            }
            let shape = value.shape
            try variable.cell.assign(value, in: context.allocator) { old in
                guard validates, let old, old.shape != shape else { return }
                throw Status.invalidArgument(
                    "Trying to assign to variable with tensor with wrong shape. Expected \(old.shape) got \(shape)")
            }
        }
    }
}

extension Output {
    /// Sets the value of the variable of this handle (`AssignVariableOp`).
    @discardableResult
    public func assignVariable(_ value: Output) -> Operation { builder.add("AssignVariableOp", [self, value]) }
}
