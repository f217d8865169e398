import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Enter`: passes its input into the frame of a loop.
    static let enter = entering("Enter", "(data: T) -> (output: T)")
    static let refEnter = entering("RefEnter", "(data: Ref(T)) -> (output: Ref(T))")
    /// `Exit`: passes its input out of the frame of a loop.
    static let exit = passing("Exit", "(data: T) -> (output: T)").role(.exit)
    static let refExit = passing("RefExit", "(data: Ref(T)) -> (output: Ref(T))").role(.exit)
    /// `NextIteration`: passes its input to the next iteration of the loop.
    static let nextIteration = passing("NextIteration", "(data: T) -> (output: T)").role(.nextIteration)
    static let refNextIteration = passing("RefNextIteration", "(data: Ref(T)) -> (output: Ref(T))").role(.nextIteration)

    private static func entering(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(
            name, signature, "T: type", "frame_name: string", "is_constant: bool = false",
            "parallel_iterations: int = 10"
        )
        .role(.enter)
        // A loop variable may have another shape in the next iteration. A loop invariant has one shape.
        .shape { c in
            if c.attributes.bool("is_constant") == true { ShapeFunctions.unchanged(&c) }
            if let handle = c.handle(0) { c.setHandle(0, handle.dtype, handle.shape) }
        }
        .gradient { g in throw primitiveLoopGradient(g) }
        .forwardingKernels(host: .flowHost, moved: ["data", "output"], make: passOn)
    }

    private static func passing(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "T: type")
            .shape { c in
                ShapeFunctions.unchanged(&c)
                if let handle = c.handle(0) { c.setHandle(0, handle.dtype, handle.shape) }
            }
            .gradient { g in throw primitiveLoopGradient(g) }
            .forwardingKernels(host: .flowHost, moved: ["data", "output"], make: passOn)
    }

    /// `LoopCond`: passes the condition of a loop on. It fails when the step is cancelled, so that an endless loop ends.
    static let loopCond = OpDefinition("LoopCond", "(input: bool) -> (output: bool)")
        .role(.loopCondition)
        .shape { c in
            try c.requireRank(0, 0)
            c.setOutput(0, .scalar)
        }
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["input", "output"]) { _ in
            .sync { context in
                guard !context.step.cancellation.isCancelled else { throw loopCancelled }
                context.setOutput(0, slot: context.slot(0))
            }
        }
}

let loopCancelled = Status.cancelled("Loop execution was cancelled.")

@Sendable private func passOn(_ request: KernelRequest) -> Kernel {
    .sync { context in context.setOutput(0, slot: context.slot(0)) }
}

private func primitiveLoopGradient(_ g: GradientContext) -> Status {
    .unimplemented(
        "No gradient through '\(g.node.name)' (op type: \(g.node.op.name)): loops made of primitive ops have none "
            + "here; "
            + "build the loop with GraphBuilder.whileLoop")
}
