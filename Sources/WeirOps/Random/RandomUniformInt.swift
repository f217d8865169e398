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
        make: randomUniformIntKernel
    )
    .cuda { request in
        let state = try GuardedPhilox(request)
        return try cudaUniformInt("Tout", low: 1) { _, count in .known(state.reserve(elements: count)) }(request)
    }
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

/// Makes the CUDA kernel of an op that outputs integers between the scalars at inputs `low` and `low + 1`.
/// - Parameters:
///   - type: the attribute of the integers' type.
///   - source: returns where the numbers begin, given their count.
func cudaUniformInt(
    _ type: String, low: Int, _ source: @escaping @Sendable (borrowing KernelContext, Int) throws -> CUDARandom.Source
) -> KernelFactory.Make {
    { request in
        let dtype = try request.type(type)
        let program = try CUDARandom(integers: request, dtype, isBounded: true)
        return .sync { context in
            let shape = try context.outputShape()
            let output = try context.output(0, dtype, shape)
            // Invalid bounds are not an error if the output has no elements.
            if shape.elementCount == 0 { return }
            try IntegerBounds.requireScalars(context, low: low)
            let (least, range) = try IntegerBounds.range(context, dtype, low: low)
            try program.fill(output, from: try source(context, shape.elementCount), low: least, range: range)
        }
    }
}
