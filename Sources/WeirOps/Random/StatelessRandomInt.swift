import WeirGraph
import WeirKernels
import WeirTensor

// Ops that output random integers which depend on the inputs only: on two seeds, or on key and counter (`V2`).

extension OpDefinition {
    /// Draws integers from `minval` up to but not including `maxval`.
    static let statelessRandomUniformInt = OpDefinition(
        "StatelessRandomUniformInt", "(shape: T, seed: Tseed, minval: dtype, maxval: dtype) -> (output: dtype)",
        "dtype: {int32, int64}", "T: {int32, int64}", "Tseed: {int32, int64} = int64"
    )
    .shape(RandomShapes.statelessBounded)
    .noGradient()
    .kernel(
        ["dtype": .index], gpu: ["dtype": .index], hostMemory: ["shape", "seed", "minval", "maxval"],
        make: uniformIntKernel(bounds: 2) { try $0.statelessGenerator(seed: 1) }
    )
    .cuda(cudaUniformInt("dtype", low: 2) { context, _ in .known(try context.statelessGenerator(seed: 1)) })

    static let statelessRandomUniformIntV2 = OpDefinition(
        "StatelessRandomUniformIntV2",
        "(shape: Tshape, key: uint64, counter: uint64, alg: int32, minval: dtype, maxval: dtype) -> (output: dtype)",
        "dtype: {int32, int64, uint32, uint64}", "Tshape: {int32, int64} = int32"
    )
    .shape(RandomShapes.keyedBounded)
    .noGradient()
    // The schema allows unsigned dtypes, but TensorFlow has kernels for int32 and int64 only.
    .kernel(
        ["dtype": .index], gpu: ["dtype": .index], hostMemory: ["shape", "alg", "minval", "maxval"],
        make: uniformIntKernel(bounds: 4) { try $0.keyedGenerator() }
    )
    .cuda(cudaUniformInt("dtype", low: 4) { context, _ in try context.keyedSource() })

    /// Draws integers of which every bit is random.
    static let statelessRandomUniformFullInt = OpDefinition(
        "StatelessRandomUniformFullInt", "(shape: T, seed: Tseed) -> (output: dtype)",
        "dtype: {int32, int64, uint32, uint64} = uint64", "T: {int32, int64} = int32",
        "Tseed: {int32, int64, uint32, uint64} = int64"
    )
    .shape(RandomShapes.stateless)
    .noGradient()
    .kernel(
        ["dtype": wideIntegers], gpu: ["dtype": wideIntegers], hostMemory: ["shape", "seed"],
        make: fullIntKernel { try $0.statelessGenerator(seed: 1) }
    )
    .cuda(cudaFullInt { context in .known(try context.statelessGenerator(seed: 1)) })

    static let statelessRandomUniformFullIntV2 = OpDefinition(
        "StatelessRandomUniformFullIntV2",
        "(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> (output: dtype)",
        "dtype: {int32, int64, uint32, uint64} = uint64", "Tshape: {int32, int64} = int32"
    )
    .shape(RandomShapes.keyed)
    .noGradient()
    .kernel(
        ["dtype": wideIntegers], gpu: ["dtype": wideIntegers], hostMemory: ["shape", "alg"],
        make: fullIntKernel { try $0.keyedGenerator() }
    )
    .cuda(cudaFullInt { context in try context.keyedSource() })
}

private let wideIntegers = DTypeSet(.int32, .int64, .uint32, .uint64)

/// A function that returns the generator for an execution.
private typealias GeneratorSource = @Sendable (borrowing KernelContext) throws -> Philox

private func uniformIntKernel(bounds: Int, _ source: @escaping GeneratorSource) -> KernelFactory.Make {
    { request in
        let dtype = try request.type("dtype")
        return .sync { context in
            let generator = try source(context)
            let output = try context.output(0, dtype, context.outputShape())
            // Invalid bounds are not an error if the output has no elements.
            if output.elementCount == 0 { return }
            try IntegerBounds.requireScalars(context, low: bounds)
            try IntegerBounds.fill(output, context, low: bounds, from: generator)
        }
    }
}

private func cudaFullInt(_ source: @escaping @Sendable (borrowing KernelContext) throws -> CUDARandom.Source) -> KernelFactory.Make {
    { request in
        let dtype = try request.type("dtype")
        let program = try CUDARandom(integers: request, dtype, isBounded: false)
        return .sync { context in
            let start = try source(context)
            try program.fill(try context.output(0, dtype, context.outputShape()), from: start)
        }
    }
}

private func fullIntKernel(_ source: @escaping GeneratorSource) -> KernelFactory.Make {
    { request in
        let dtype = try request.type("dtype")
        let fill =
            dtype.byteCount == 4 ? RandomFill.tensor(UniformFullUInt32()) : RandomFill.tensor(UniformFullUInt64())
        return .sync { context in
            let generator = try source(context)
            fill(try context.output(0, dtype, context.outputShape()), generator, context.pool)
        }
    }
}
