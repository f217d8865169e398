import WeirGraph
import WeirKernels
import WeirTensor

// Concatenation of inputs that may arrive at any time. TensorFlow's master rewrites ParallelConcat into a tensor and updates of
// its rows. Each update runs when its input arrives.

extension OpDefinition {
    /// Concatenates tensors of one row each.
    static let parallelConcat = OpDefinition(
        "ParallelConcat", "(values: N * T) -> (output: T)", "N: int >= 1", "T: type", "shape: shape"
    )
    .shape { c in
        guard let shape = c.attributes.shape("shape"), shape.isFullyKnown else {
            throw Status.invalidArgument("shape attr must be fully defined.")
        }
        for index in 0..<c.inputCount {
            let input = c.input(index)
            guard input.isFullyKnown else {
                throw Status.invalidArgument("All input shapes must be fully defined.")
            }
            guard input[0] == 1 else { throw Status.invalidArgument("Size of first dimension must be 1.") }
            _ = try input.merging(shape.replacing(0, with: 1))
        }
        c.setOutput(0, shape)
    }
    .noGradient()
    .kernel(
        ["T": parallelTypes], gpu: ["T": .floating],
        moving: { request in
            let shape = try wholeShape(request)
            return { context, mover in
                let output = try context.output(0, context.dtype(0), shape)
                guard shape.rank > 0, shape[0] == context.inputCount else {
                    throw Status.invalidArgument("shape \(shape) has no row for each of \(context.inputCount) values")
                }
                for index in 0..<context.inputCount { try setRow(index, of: output, context.input(index), mover) }
            }
        })

    /// Allocates the tensor, whose rows `_ParallelConcatUpdate` writes later.
    static let parallelConcatStart = OpDefinition(
        "_ParallelConcatStart", "() -> (output: dtype)", "shape: shape", "dtype: type"
    )
    .stateful()
    .shape { c in c.setOutput(0, c.attributes.shape("shape") ?? .unknown) }
    .noGradient()
    .kernel(
        ["dtype": parallelTypes], gpu: ["dtype": .floating],
        moving: { request in
            let (shape, dtype) = (try wholeShape(request), try request.type("dtype"))
            return { context, _ in _ = try context.output(0, dtype, shape) }
        })

    /// Writes one row of the tensor. All updates share its memory, and each writes a row of its own.
    static let parallelConcatUpdate = OpDefinition(
        "_ParallelConcatUpdate", "(value: T, update: T) -> (output: T)", "T: type", "loc: int"
    )
    .changingInputs()
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": parallelTypes], gpu: ["T": .floating], moving: updateKernel)
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["value", "update", "output"], moving: updateKernel)

    private static let parallelTypes: DTypeSet = [.numericOrBool, DTypeSet(.string)]
}

private func wholeShape(_ request: KernelRequest) throws -> Shape {
    guard let shape = try request.shape("shape").known else {
        throw Status.invalidArgument("shape attr must be fully defined.")
    }
    return try Shape(validating: shape.dimensions)
}

@Sendable private func updateKernel(_ request: KernelRequest) throws -> MovingBody {
    let row = try request.int("loc")
    return { context, mover in
        let value = context.input(0)
        let update = context.input(1)
        guard value.rank == update.rank else {
            throw Status.invalidArgument(
                "value and update shape doesn't match: \(value.shape) vs. \(update.shape)")
        }
        for axis in 1..<max(1, value.rank) where value.dimension(axis) != update.dimension(axis) {
            throw Status.invalidArgument(
                "value and update shape doesn't match \(value.shape) vs. \(update.shape)")
        }
        guard update.rank > 0, update.dimension(0) == 1 else {
            throw Status.invalidArgument("update shape doesn't match: \(update.shape)")
        }
        guard let row = nonNegativeAxis(row, rank: value.dimension(0)) else {
            throw Status.invalidArgument("loc \(row) is not a row of \(value.shape)")
        }
        try setRow(row, of: value, update, mover)
        context.setOutput(0, slot: context.slot(0))
    }
}

private func setRow(_ row: Int, of whole: Tensor, _ update: Tensor, _ mover: ElementMover) throws {
    let width = whole.elementCount / max(1, whole.dimension(0))
    guard update.elementCount == width else {
        throw Status.invalidArgument("value and update shape doesn't match: \(whole.shape) vs. \(update.shape)")
    }
    try mover.copy(StridedCopy([width], from: [1]), from: update, to: whole, at: row * width)
}
