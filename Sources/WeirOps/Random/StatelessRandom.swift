import WeirGraph
import WeirKernels
import WeirTensor

// Ops that output random floating-point numbers which depend on the inputs only: on two seeds, or on key and counter (`V2`).

extension OpDefinition {
    /// Draws uniform numbers in [0, 1).
    static let statelessRandomUniform = seeded("StatelessRandomUniform", .uniform)
    static let statelessRandomUniformV2 = keyed("StatelessRandomUniformV2", .uniform)
    /// Draws normal numbers with mean 0 and standard deviation 1.
    static let statelessRandomNormal = seeded("StatelessRandomNormal", .normal)
    static let statelessRandomNormalV2 = keyed("StatelessRandomNormalV2", .normal)
    /// Like `StatelessRandomNormal`, without numbers that are two standard deviations or more from the mean.
    static let statelessTruncatedNormal = seeded("StatelessTruncatedNormal", .truncatedNormal)
    static let statelessTruncatedNormalV2 = keyed("StatelessTruncatedNormalV2", .truncatedNormal)
}

private func seeded(_ name: String, _ distribution: FloatDistribution) -> OpDefinition {
    OpDefinition(
        name, "(shape: T, seed: Tseed) -> (output: dtype)", "dtype: {half, bfloat16, float, double} = float",
        "T: {int32, int64} = int32", "Tseed: {int32, int64} = int64"
    )
    .shape(RandomShapes.stateless)
    .noGradient()
    .kernel(["dtype": .floating], gpu: ["dtype": .floating], hostMemory: ["shape", "seed"]) { request in
        let dtype = try request.type("dtype")
        let fill = try distribution.fill(request, "dtype")
        return .sync { context in
            let shape = try context.outputShape()
            let generator = try context.statelessGenerator(seed: 1)
            fill(try context.output(0, dtype, shape), generator, context.pool)
        }
    }
    .cuda { request in
        try cudaRandomKernel(request, distribution) { context, _ in .known(try context.statelessGenerator(seed: 1)) }
    }
}

private func keyed(_ name: String, _ distribution: FloatDistribution) -> OpDefinition {
    OpDefinition(
        name, "(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> (output: dtype)",
        "dtype: {half, bfloat16, float, double} = float", "Tshape: {int32, int64} = int32"
    )
    .shape(RandomShapes.keyed)
    .noGradient()
    .kernel(["dtype": .floating], gpu: ["dtype": .floating], hostMemory: ["shape", "alg"]) { request in
        let dtype = try request.type("dtype")
        let fill = try distribution.fill(request, "dtype")
        return .sync { context in
            let generator = try context.keyedGenerator()
            fill(try context.output(0, dtype, context.outputShape()), generator, context.pool)
        }
    }
    .cuda { request in try cudaRandomKernel(request, distribution) { context, _ in try context.keyedSource() } }
}
