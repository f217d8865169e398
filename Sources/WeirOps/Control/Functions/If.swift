import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `If`: calls one of two functions.
    static let `if` = conditional("If").statefulWithKernelPerGraph()
    static let statelessIf = conditional("StatelessIf")

    private static func conditional(_ name: String) -> OpDefinition {
        OpDefinition(
            name, "(cond: Tcond, input: Tin) -> (output: Tout)", "Tcond: type", "Tin: list(type) >= 0",
            "Tout: list(type) >= 0", "then_branch: func", "else_branch: func", "output_shapes: list(shape) = []"
        )
        .shape(outputShapesFromAttribute)
        .calling(.conditional(["then_branch", "else_branch"]))
        .gradient { g in try ControlFlow.conditionalGradient(g) }
        .kernel(gpu: [:], hostMemory: ["cond"]) { request in
            let thenBranch = try NodeFunction(request, "then_branch")
            let elseBranch = try NodeFunction(request, "else_branch")
            let types = request.outputTypes
            return .async { context, done in
                do {
                    let branch = try context.input(0).boolValue() ? thenBranch : elseBranch
                    let arguments = (1..<context.inputCount).map { context.input($0) }
                    branch.call(arguments, in: context.step) { done(callOutputs($0, types)) }
                } catch {
                    done(.failure(Status(error)))
                }
            }
        }
    }

    /// `Case`: calls the function with the given index, or the last if the index is out of range.
    static let `case` = selection("Case").statefulWithKernelPerGraph()
    static let statelessCase = selection("StatelessCase")

    private static func selection(_ name: String) -> OpDefinition {
        OpDefinition(
            name, "(branch_index: int32, input: Tin) -> (output: Tout)", "Tin: list(type) >= 0",
            "Tout: list(type) >= 0", "branches: list(func) >= 1", "output_shapes: list(shape) = []"
        )
        .shape(outputShapesFromAttribute)
        .calling(.selection("branches"))
        .gradient { g in try ControlFlow.conditionalGradient(g) }
        .kernel(gpu: [:], hostMemory: ["branch_index"]) { request in
            guard let references = request.attributes.functions("branches"), !references.isEmpty else {
                throw Status.invalidArgument("\(request.op.name) node '\(request.name)' has no branches")
            }
            let branches = references.map { NodeFunction(request, $0) }
            let types = request.outputTypes
            return .async { context, done in
                let index = context.input(0)
                guard index.rank == 0 else { return done(.failure(.invalidArgument("branch_index must be scalar"))) }
                let number = Int(index.elements(Int32.self)[0])
                let branch = branches[branches.indices.contains(number) ? number : branches.count - 1]
                let arguments = (1..<context.inputCount).map { context.input($0) }
                branch.call(arguments, in: context.step) { done(callOutputs($0, types)) }
            }
        }
    }
}

/// Sets the output shapes to those of the node's attribute `output_shapes`.
@Sendable func outputShapesFromAttribute(_ c: inout ShapeContext) {
    for (index, shape) in (c.attributes.shapes("output_shapes") ?? []).enumerated() { c.setOutput(index, shape) }
}
