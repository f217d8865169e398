import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Shuffles the rows of a tensor.
    static let randomShuffle = OpDefinition(
        "RandomShuffle", "(value: T) -> (output: T)", "seed: int = 0", "seed2: int = 0", "T: type"
    )
    .stateful()
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": .all.subtracting(.quantized)]) { request in
        try request.movable("T", RandomShuffleVisitor(request))
    }
}

private struct RandomShuffleVisitor: MovableVisitor {
    let dtype: DType
    let state: GuardedPhilox

    init(_ request: KernelRequest) throws {
        dtype = try request.type("T")
        state = try GuardedPhilox(request)
    }

    func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel {
        .sync { [dtype, state] context in
            let value = context.input(0)
            let shape = value.shape
            guard shape.elementCount > 1, shape[0] > 1 else { return context.setOutput(0, value) }
            let order = RandomPermutation.permutation(of: shape[0], from: state.reserve(words: shape[0] - 1))
            let width = shape.elementCount / shape[0]
            let rows = value.elements(E.self)
            let output = try context.output(0, dtype, shape).mutableElements(E.self)
            for (place, row) in order.enumerated() {
                for column in 0..<width { output[place * width + column] = rows[row * width + column] }
            }
        }
    }
}
