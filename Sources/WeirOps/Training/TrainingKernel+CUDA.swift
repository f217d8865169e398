import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The kernel of a training op on a card: one launch for a dense gradient. The scalars are on the card, too, so the kernel reads them
/// there, and their values cannot be checked.
func cudaTrainingKernel(_ request: KernelRequest, _ rule: CUDAUpdateRule) throws -> Kernel {
    let inputs = try TrainingInputs(request)
    guard inputs.variables.count == rule.slots + 1 else {
        throw Status.internalError("\(request.op.name) has \(inputs.variables.count) variables")
    }
    var rule = rule
    rule.scalars = inputs.scalars.map(\.name.rawValue)
    rule.absent = HyperParameterName.allCases.map(\.rawValue).filter { !rule.scalars.contains($0) }
    let flags = [
        ("uses_nesterov", request.attributes.bool("use_nesterov") ?? false), ("updates_slots", request.attributes.bool("update_slots") ?? true),
        ("multiplies_linear", request.attributes.bool("multiply_linear_by_lr") ?? false),
    ]
    rule.declarations += flags.map { "const bool \($0) = \($1);\n" }.joined()
    let program = try CUDAUpdate(
        request.cudaDevice(), request.op.name, request.cudaType("T"), size: inputs.dtype.byteCount,
        index: inputs.indices.map { request.inputTypes[$0].dtype }, rule)
    return .sync { context in
        try inputs.requireScalars(context)
        let scalars = inputs.scalars.map { context.input($0.index) }
        let gradient = context.input(inputs.gradient)
        var cells: [VariableStorage] = []
        for variable in inputs.variables { cells.append(try variable.cell(context, inputs.dtype)) }
        if let index = inputs.indices {
            let indices = context.input(index)
            try VariableStorage.modify(cells) { tensors in
                try inputs.requireSparseShapes(tensors, gradient, indices)
                let shape = tensors[0].shape
                try program.run(tensors, gradient, indices, CUDASlices(sizes: [shape[0]], width: shape.count(1...)), scalars)
            }
        } else {
            try VariableStorage.modify(cells) { tensors in
                try inputs.requireDense(tensors, gradient)
                try program.run(tensors, gradient, scalars)
            }
        }
        inputs.variables[0].passOn(context)
    }
}
