import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Draws from gamma distributions: `shape` draws for each element of `alpha`.
    static let randomGamma = OpDefinition(
        "RandomGamma", "(shape: S, alpha: T) -> (output: T)", "seed: int = 0", "seed2: int = 0", "S: {int32, int64}",
        "T: {half, float, double}"
    )
    .stateful()
    .shape(RandomShapes.gamma)
    .kernel(["T": DTypeSet(.float16, .float32, .float64)]) { request in
        try request.floating("T", RandomGammaVisitor(state: GuardedPhilox(request)))
    }
}

private struct RandomGammaVisitor: FloatingVisitor {
    let state: GuardedPhilox

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { [state] context in
            let shape = context.input(0)
            guard shape.rank == 1 else {
                throw Status.invalidArgument("shape must be a vector of {int32,int64}, got shape: \(shape)")
            }
            let draws = try context.outputShape()
            let alphas = context.elements(1, E.self)
            let dimensions = draws.dimensions + context.shape(1).dimensions
            let output = try context.output(0, E.dtype, Shape(validating: dimensions)).mutableElements(E.self)
            if output.isEmpty { return }
            let generator = state.reserve(elements: output.count)
            // Ordinals count the draws of one alpha after the other. In the output, the draws of all alphas alternate.
            let drawCount = draws.elementCount
            context.pool.parallelFor(output.count, grain: 256) { ordinals in
                var sampling = GammaSampler(shape: alphas[ordinals.lowerBound / drawCount].number)
                for ordinal in ordinals {
                    let (alpha, draw) = ordinal.quotientAndRemainder(dividingBy: drawCount)
                    if draw == 0 { sampling = GammaSampler(shape: alphas[alpha].number) }
                    let value = E.Compute(sampling.draw(ordinal, from: generator)).flushingSubnormal
                    output[draw * alphas.count + alpha] = E(compute: value)
                }
            }
        }
    }
}
