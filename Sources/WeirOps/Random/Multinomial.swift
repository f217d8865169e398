import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Draws classes for each row of unnormalized log-probabilities.
    static let multinomial = OpDefinition(
        "Multinomial", "(logits: T, num_samples: int32) -> (output: output_dtype)", "seed: int = 0", "seed2: int = 0",
        "T: \(multinomialTypes)", "output_dtype: {int32, int64} = int64"
    )
    .stateful()
    .shape(RandomShapes.multinomial)
    .noGradient()
    .kernel(["T": .floating], gpu: ["T": multinomialGPUTypes], hostMemory: ["num_samples"]) { request in
        let state = try GuardedPhilox(request)
        return try request.floating(
            "T",
            MultinomialVisitor(output: request.type("output_dtype")) { _, samples in
                state.reserve(samples: samples)
            })
    }
    .cuda { request in
        let state = try GuardedPhilox(request)
        return try cudaMultinomial(request) { _, samples in state.reserve(samples: samples) }
    }

    /// Like `Multinomial`, but the seeds are an input.
    static let statelessMultinomial = OpDefinition(
        "StatelessMultinomial", "(logits: T, num_samples: int32, seed: Tseed) -> (output: output_dtype)",
        "T: \(multinomialTypes)", "Tseed: {int32, int64} = int64", "output_dtype: {int32, int64} = int64"
    )
    .shape(RandomShapes.statelessMultinomial)
    .noGradient()
    .kernel(["T": .floating], gpu: ["T": multinomialGPUTypes], hostMemory: ["num_samples", "seed"]) { request in
        try request.floating(
            "T",
            MultinomialVisitor(output: request.type("output_dtype")) { context, _ in
                try context.statelessGenerator(seed: 2)
            })
    }
    .cuda { request in try cudaMultinomial(request) { context, _ in try context.statelessGenerator(seed: 2) } }
}

private let multinomialTypes =
    "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
private let multinomialGPUTypes = DTypeSet(.float32, .float64, .float16)

/// A function that returns the generator for an execution, given the number of samples of 128 bits that it takes.
typealias MultinomialSource = @Sendable (borrowing KernelContext, UInt64) throws -> Philox

private struct MultinomialVisitor: FloatingVisitor {
    let output: DType
    let source: MultinomialSource

    init(output: DType, _ source: @escaping MultinomialSource) {
        self.output = output
        self.source = source
    }

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { [output, source] context in
            let (rows, classes, samples) = try multinomialSizes(context)
            let reservation = MultinomialSampling.reservation(rows: rows, samples: samples)
            let generator = try source(context, reservation)
            let drawn = try context.output(0, output, Shape(validating: [rows, samples]))
            if drawn.elementCount == 0 { return }
            let logits = context.elements(0, E.self).map(\.number)
            logits.withUnsafeBufferPointer { logits in
                var next = 0
                func draw<I: FixedWidthInteger>(_ drawn: UnsafeMutableBufferPointer<I>) {
                    MultinomialSampling.draw(logits: logits, classes: classes, samples: samples, from: generator) {
                        drawn[next] = I(truncatingIfNeeded: $0)
                        next += 1
                    }
                }
                switch output {
                case .int32: draw(drawn.mutableElements(Int32.self))
                default: draw(drawn.mutableElements(Int64.self))
                }
            }
        }
    }
}

/// Checks the shapes of the logits and of the number of draws. Returns the sizes.
func multinomialSizes(_ context: borrowing KernelContext) throws -> (rows: Int, classes: Int, samples: Int) {
    let logits = context.shape(0)
    guard logits.rank == 2 else {
        throw Status.invalidArgument("logits should be a matrix, got shape \(logits)")
    }
    guard context.shape(1).rank == 0 else {
        throw Status.invalidArgument("num_samples should be a scalar, got shape \(context.shape(1))")
    }
    let samples = try context.input(1).integer("num_samples")
    guard samples >= 0 else {
        throw Status.invalidArgument("num_samples should be non-negative, got \(samples)")
    }
    guard logits[1] > 0 else {
        throw Status.invalidArgument("num_classes should be positive, got \(logits[1])")
    }
    return (logits[0], logits[1], samples)
}
