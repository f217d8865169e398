public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that convert between a tensor of rank k and the diagonal of a tensor of rank 2k.

extension OpDefinition {
    /// Puts a tensor of rank k on the diagonal of a tensor of rank 2k. Other elements are zero.
    static let diag = OpDefinition(
        "Diag", "(diagonal: T) -> (output: T)",
        "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        c.setOutput(0, c.input(0).concatenating(c.input(0)))
    }
    .gradient { g in [g.op("DiagPart", g.gradient())] }
    .kernel(["T": diagTypes], gpu: ["T": diagGPUTypes], moving: { _ in diagKernel })

    /// Extracts the diagonal of a tensor of rank 2k whose first k dimensions equal its last k.
    static let diagPart = OpDefinition(
        "DiagPart", "(input: T) -> (diagonal: T)",
        "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}"
    )
    .shape { c in
        guard let dimensions = c.input(0).dimensions else { return }
        guard dimensions.count > 0, dimensions.count % 2 == 0 else {
            throw Status.invalidArgument(
                "Input must have even and non-zero rank, input rank is \(dimensions.count)")
        }
        let half = dimensions.count / 2
        c.setOutput(0, try PartialShape(Array(dimensions[..<half])).merging(PartialShape(Array(dimensions[half...]))))
    }
    .gradient { g in [g.op("Diag", g.gradient())] }
    .kernel(["T": diagTypes], gpu: ["T": diagGPUTypes], moving: { _ in diagPartKernel })

    private static let diagTypes: DTypeSet = [.floatingOrComplex, .index]
    private static let diagGPUTypes = diagTypes.subtracting(DTypeSet(.bfloat16))
}

private let diagKernel: MovingBody = { context, mover in
    let input = context.input(0)
    guard input.rank > 0 else { throw Status.invalidArgument("Input must be at least rank 1, got 0") }
    let sizes = input.shape.dimensions
    let output = try context.output(0, input.dtype, Shape(validating: sizes + sizes))
    try mover.clear(output)
    try mover.copy(StridedCopy([input.elementCount], to: [input.elementCount + 1]), from: input, to: output)
}

private let diagPartKernel: MovingBody = { context, mover in
    let input = context.input(0)
    let (shape, half) = (input.shape, input.rank / 2)
    guard shape.rank > 0, shape.rank % 2 == 0 else {
        throw Status.invalidArgument("The rank of the tensor should be even and positive, got shape \(shape)")
    }
    for axis in 0..<half where shape[axis] != shape[axis + half] {
        throw Status.invalidArgument(
            "Invalid shape \(shape): dimensions \(axis) and \(axis + half) do not match.")
    }
    let result = try Shape(validating: Array(shape.dimensions[..<half]))
    let output = try context.output(0, input.dtype, result)
    try mover.copy(StridedCopy([result.elementCount], from: [result.elementCount &+ 1]), from: input, to: output)
}

extension Output {
    /// Puts this tensor, of rank k, on the diagonal of a tensor of rank 2k. Other elements are zero (`Diag`).
    public func diagonalTensor() -> Output { builder.add("Diag", [self])[0] }
    /// Extracts the diagonal of this tensor, of rank 2k, whose first k dimensions equal its last k (`DiagPart`).
    public func diagonalPart() -> Output { builder.add("DiagPart", [self])[0] }
}
