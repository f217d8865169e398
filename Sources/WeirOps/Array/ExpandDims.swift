public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Inserts a dimension of size 1.
    static let expandDims = OpDefinition(
        "ExpandDims", "(input: T, dim: Tdim) -> (output: T)", "T: type", "Tdim: {int32, int64} = int32"
    )
    .shape(expandDimsShape)
    .sharding { c in
        guard let rank = c.input(0).rank, let axis = c.axis(1, rank: rank + 1) else { return nil }
        let labels = ShardingContext.labels(rank)
        return ShardingRule(inputs: [labels, []], outputs: [labels[..<axis] + [.whole] + labels[axis...]]).linear()
    }
    .knownValue { c in c.reshapedInput() }
    .gradient { g in [g.reshape(g.gradient(), like: g.inputs[0]), nil] }
    .kernel(gpu: ["T": .gpuMovable], hostMemory: ["dim"]) { _ in expandDimsKernel }
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "dim", "output"]) { _ in expandDimsKernel }
    .cudaAsOnHost()
}

@Sendable private func expandDimsShape(_ c: inout ShapeContext) throws {
    if let count = c.constant(1)?.elementCount, count != 1 {
        throw Status.invalidArgument("'dim' input must be a tensor with a single value")
    }
    guard let rank = c.input(0).rank, let dimensions = c.input(0).dimensions else { return }
    guard let axis = c.integer(1) else { return c.setOutput(0, .ofRank(rank + 1)) }
    guard let front = nonNegativeAxis(axis, rank: rank + 1) else {
        throw Status.invalidArgument("dim \(axis) not in the interval [\(-rank - 1), \(rank)].")
    }
    c.setOutput(0, PartialShape(dimensions[..<front] + [1] + dimensions[front...]))
}

private let expandDimsKernel = Kernel.sync { context in
    let input = context.input(0)
    guard input.dtype != .variant else { throw Status.invalidArgument("ExpandDims on Variant not supported") }
    let position = context.input(1)
    guard position.elementCount == 1 else {
        throw Status.invalidArgument("'dim' must be a tensor with a single value")
    }
    let axis = try position.integer("dim")
    guard let front = nonNegativeAxis(axis, rank: input.rank + 1) else {
        throw Status.invalidArgument("Tried to expand dim index \(axis) for tensor with \(input.rank) dimensions.")
    }
    guard input.rank < Shape.maximumRank else { throw Status.invalidArgument("Too many dimensions: \(input.rank + 1)") }
    context.setOutput(0, input.reshaped(input.shape.inserting(1, at: front)))
}

extension Output {
    /// Inserts a dimension of size 1 at `axis` (`ExpandDims`).
    public func expandedDimension(at axis: Int) -> Output {
        builder.add("ExpandDims", [self, builder.int32(axis, "axis")])[0]
    }
}
