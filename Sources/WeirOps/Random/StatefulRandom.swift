import WeirGraph
import WeirKernels
import WeirTensor

// Ops that output random floating-point numbers. Each execution continues the sequence of its node.

extension OpDefinition {
    /// Draws uniform numbers in [0, 1).
    static let randomUniform = statefulRandom("RandomUniform", .uniform)
    /// Draws normal numbers with mean 0 and standard deviation 1.
    static let randomStandardNormal = statefulRandom("RandomStandardNormal", .normal)
    /// Like `RandomStandardNormal`, without numbers that are two standard deviations or more from the mean.
    static let truncatedNormal = statefulRandom("TruncatedNormal", .truncatedNormal)
}

private func statefulRandom(_ name: String, _ distribution: FloatDistribution) -> OpDefinition {
    OpDefinition(
        name, "(shape: T) -> (output: dtype)", "seed: int = 0", "seed2: int = 0",
        "dtype: {half, bfloat16, float, double}", "T: {int32, int64}"
    )
    .stateful()
    .shape(RandomShapes.fromInput)
    .noGradient()
    .kernel(["dtype": .floating], gpu: ["dtype": .floating, "T": DTypeSet(.int32)], hostMemory: ["shape"]) { request in
        let dtype = try request.type("dtype")
        let fill = try distribution.fill(request, "dtype")
        let state = try GuardedPhilox(request)
        return .sync { context in
            let output = try context.output(0, dtype, context.outputShape())
            fill(output, state.reserve(elements: output.elementCount), context.pool)
        }
    }
    .cuda { request in
        let state = try GuardedPhilox(request)
        return try cudaRandomKernel(request, distribution) { _, count in .known(state.reserve(elements: count)) }
    }
}

extension GuardedPhilox {
    /// Makes the state of a node with the attributes `seed` and `seed2`.
    convenience init(_ request: KernelRequest) throws {
        self.init(seed: Int64(try request.int("seed")), seed2: Int64(try request.int("seed2")))
    }
}
