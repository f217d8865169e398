import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Draws integers from `minval` up to but not including `maxval`.
    static let randomUniformInt = OpDefinition(
        "RandomUniformInt", "(shape: T, minval: Tout, maxval: Tout) -> (output: Tout)", "seed: int = 0",
        "seed2: int = 0", "Tout: {int32, int64}", "T: {int32, int64}"
    )
    .stateful()
    .shape(RandomShapes.bounded)
    .noGradient()
    .kernel(
        ["Tout": .index], gpu: ["Tout": .index, "T": DTypeSet(.int32)], hostMemory: ["shape", "minval", "maxval"],
        make: randomUniformIntKernel)
}

@Sendable private func randomUniformIntKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("Tout")
    let state = try GuardedPhilox(request)
    return .sync { context in
        try IntegerBounds.requireScalars(context, low: 1)
        let output = try context.output(0, dtype, context.outputShape())
        // An empty range is not an error if the output has no elements.
        if output.elementCount == 0 { return }
        try IntegerBounds.fill(output, context, low: 1, from: state.reserve(elements: output.elementCount))
    }
}
