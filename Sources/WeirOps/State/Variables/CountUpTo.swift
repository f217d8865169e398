public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CountUpTo`: outputs the value of a scalar variable and increments the variable. It fails with `outOfRange` at the
    /// limit.
    static let countUpTo = OpDefinition(
        "CountUpTo", "(ref: Ref(T)) -> (output: T)", "limit: int", "T: {int32, int64}"
    )
    .resourceForm("ResourceCountUpTo")
    .shape { c in
        try c.requireRank(0, 0)
        c.setOutput(0, .scalar)
    }
    .noGradient()
    .kernel(["T": .index], make: countUpToKernel)

    /// `ResourceCountUpTo`: like `CountUpTo`, for a resource variable.
    static let resourceCountUpTo = OpDefinition(
        "ResourceCountUpTo", "(resource: resource) -> (output: T)", "limit: int", "T: {int32, int64}"
    )
    .stateful()
    .variable(.update)
    .shape { c in
        if let rank = try StateShapes.variable(c, attribute: "T").rank, rank != 0 {
            throw Status.invalidArgument("Shape must be rank 0 but is rank \(rank)")
        }
        c.setOutput(0, .scalar)
    }
    .noGradient()
    .kernel(["T": .index], make: countUpToKernel)
}

@Sendable private func countUpToKernel(_ request: KernelRequest) throws -> Kernel {
    try request.integer("T", CountVisitor(variable: VariableInput(request), limit: request.int("limit")))
}

private struct CountVisitor: IntegerVisitor {
    let variable: VariableInput
    let limit: Int

    func visit<E: IntegerElement>(_ type: E.Type) throws -> Kernel {
        .sync { [variable, limit] context in
            let before = try variable.cell(context, E.dtype).modify { tensor in
                guard tensor.rank == 0 else {
                    throw Status.invalidArgument("input is not a scalar: \(tensor.shape)")
                }
                let value = tensor.mutableElements(E.self)
                let before = value[0]
                guard before < limit else { throw Status.outOfRange("Reached limit of \(limit)") }
                value[0] = before &+ 1
                return before
            }
            context.setOutput(0, Tensor(before))
        }
    }
}

extension Output {
    /// Returns the value of the scalar integer variable of this reference, and increments the variable.
    ///
    /// The node fails with `outOfRange` at the limit.
    public func countUpTo(_ limit: Int) -> Output {
        builder.add("CountUpTo", [self], attributes: ["limit": .int(limit)])[0]
    }
}
