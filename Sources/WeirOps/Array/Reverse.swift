public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Reverses a tensor along some axes.
    static let reverseV2 = OpDefinition(
        "ReverseV2", "(tensor: T, axis: Tidx) -> (output: T)", "Tidx: {int32, int64} = int32",
        "T: {uint8, int8, uint16, int16, int32, uint32, int64, uint64, bool, bfloat16, half, float, double, "
            + "complex64, complex128, string}"
    )
    .shape { c in
        try c.requireRank(1, 1)
        if let rank = c.input(0).rank, let axes = c.integers(1) { _ = try reversedAxes(axes, rank) }
        c.setOutput(0, c.input(0))
    }
    .simplified(.unchangedFor(input: 1) { axes in axes.elementCount == 0 })
    .gradient { g in [g.op("ReverseV2", g.gradient(), g.inputs[1]), nil] }
    .kernel(
        ["T": [.numericOrBool, DTypeSet(.string)]], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int8, .uint8)]],
        hostMemory: ["axis"],
        moving: { _ in reverseV2Kernel }
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["tensor", "axis", "output"], moving: { _ in reverseV2Kernel })

    /// Like `ReverseV2`, but `dims` holds for each dimension whether it is reversed.
    static let reverse = OpDefinition(
        "Reverse", "(tensor: T, dims: bool) -> (output: T)",
        "T: {uint8, int8, uint16, int16, uint32, int32, uint64, int64, bool, bfloat16, half, float, double, "
            + "complex64, complex128, string}"
    )
    .shape { c in
        try c.requireRank(1, 1)
        if let rank = c.input(0).rank, let count = c.input(1)[0], count != rank {
            throw Status.invalidArgument("Shape must be rank \(count) but is rank \(rank)")
        }
        c.setOutput(0, c.input(0).rank == nil ? c.input(1)[0].map(PartialShape.ofRank) ?? .unknown : c.input(0))
    }
    .gradient { g in [g.op("Reverse", g.gradient(), g.inputs[1]), nil] }
    .kernel(
        ["T": [.numericOrBool, DTypeSet(.string)]], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int8, .uint8)]],
        hostMemory: ["dims"],
        moving: { _ in reverseKernel }
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["tensor", "dims", "output"], moving: { _ in reverseKernel })
}

/// Returns for each dimension whether it is reversed.
/// - Throws: `invalidArgument` if an axis is out of range or given twice.
private func reversedAxes(_ axes: [Int], _ rank: Int) throws -> [Bool] {
    var flipped = [Bool](repeating: false, count: rank)
    for (index, axis) in axes.enumerated() {
        guard let front = nonNegativeAxis(axis, rank: rank) else {
            throw Status.invalidArgument("'axis'[\(index)] = \(axis) is out of valid range [0, \(rank - 1)")
        }
        guard !flipped[front] else { throw Status.invalidArgument("axis \(front) specified more than once.") }
        flipped[front] = true
    }
    return flipped
}

private func reverse(_ context: borrowing KernelContext, _ mover: ElementMover, _ flipped: [Bool]) throws {
    let input = context.input(0)
    guard flipped.contains(true), input.elementCount > 1 else { return context.setOutput(0, input) }
    var strides = StridedCopy.strides(of: input.shape.dimensions)
    var start = 0
    for axis in strides.indices where flipped[axis] {
        start += (input.dimension(axis) - 1) * strides[axis]
        strides[axis] = -strides[axis]
    }
    try mover.setOutput(
        0, input.shape, StridedCopy(input.shape.dimensions, from: strides), of: input, at: start, context)
}

private let reverseV2Kernel: MovingBody = { context, mover in
    let axes = context.input(1)
    guard axes.rank == 1 else { throw Status.invalidArgument("'dims' must be 1-dimension, not \(axes.rank)") }
    let rank = context.shape(0).rank
    guard rank > 0 else { return context.setOutput(0, slot: context.slot(0)) }
    try reverse(context, mover, try reversedAxes(try axes.integers("axis"), rank))
}

private let reverseKernel: MovingBody = { context, mover in
    let choice = context.input(1)
    let rank = context.shape(0).rank
    guard choice.rank == 1 else { throw Status.invalidArgument("'dims' must be 1-dimension, not \(choice.rank)") }
    guard choice.elementCount == rank else {
        throw Status.invalidArgument(
            "'dims' must have the same number of values as 'input' has dimensions. 'input' has \(rank)'dims' has "
                + "\(choice.elementCount) values")
    }
    try reverse(context, mover, Array(choice.elements(Bool.self)))
}

extension Output {
    /// Reverses this tensor along `axes` (`ReverseV2`).
    public func reversed(axes: [Int]) -> Output {
        builder.add("ReverseV2", [self, builder.constant(Tensor(axes.map { Int64($0) }))])[0]
    }
}
