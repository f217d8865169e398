public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Broadcasts a tensor to a given shape.
    static let broadcastTo = OpDefinition(
        "BroadcastTo", "(input: T, shape: Tidx) -> (output: T)", "T: type", "Tidx: {int32, int64} = int32"
    )
    .shape(broadcastToShape)
    .sharding { c in
        guard let input = c.input(0).dimensions, let output = c.output().known, input.count <= output.rank else { return nil }
        let labels = ShardingContext.labels(output.rank)
        let offset = output.rank - input.count
        let own = input.indices.map { input[$0] == output[offset + $0] ? labels[offset + $0] : .whole }
        return ShardingRule(inputs: [own, []], outputs: [labels]).linear()
            .computed { local in local.outputs([local.inputs[0], local.localSizes(1, labels)]) }
    }
    .gradient { g in
        let shape = g.shape(g.inputs[0], g.inputs[1].dtype)
        let axes = g.ops("BroadcastGradientArgs", [g.inputs[1], shape])[1]
        let sum = g.op("Sum", g.gradient(), axes, attributes: ["keep_dims": true])
        return [g.op("Reshape", sum, shape), nil]
    }
    .kernel(
        ["T": .unquantized], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int64)]], hostMemory: ["shape"],
        moving: { _ in broadcastToKernel }
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "shape", "output"], moving: { _ in broadcastToKernel })
}

@Sendable private func broadcastToShape(_ c: inout ShapeContext) throws {
    var result = try c.shapeArgument(1)
    guard let rank = result.rank, let inputRank = c.input(0).rank else { return c.setOutput(0, result) }
    guard inputRank <= rank else {
        throw Status.invalidArgument("Shape must be at most rank \(rank) but is rank \(inputRank)")
    }
    for back in 1..<inputRank + 1 {
        guard let size = c.input(0)[-back], size > 1 else { continue }
        if let wanted = result[-back], wanted != size {
            throw Status.invalidArgument("Dimensions must be equal, but are \(size) and \(wanted)")
        }
        result = result.replacing(-back, with: size)
    }
    c.setOutput(0, result)
}

/// Returns the strides, in elements, that read a tensor of `shape` as one of shape `target`: 0 along broadcast dimensions.
/// Returns nil if `shape` cannot be broadcast to `target`.
func broadcastStrides(_ shape: Shape, to target: Shape) -> [Int]? {
    let missing = target.rank - shape.rank
    guard missing >= 0 else { return nil }
    let own = StridedCopy.strides(of: shape.dimensions)
    var strides = [Int](repeating: 0, count: target.rank)
    for axis in own.indices {
        let (size, wanted) = (shape[axis], target[axis + missing])
        guard size == wanted || size == 1 else { return nil }
        strides[axis + missing] = size == 1 ? 0 : own[axis]
    }
    return strides
}

private let broadcastToKernel: MovingBody = { context, mover in
    let input = context.input(0)
    let sizes = context.input(1)
    guard sizes.rank == 1 else {
        throw Status.invalidArgument("shape must be a vector of {int32,int64}, got shape \(sizes.shape)")
    }
    let shape = try shapeFromInput(try sizes.integers("shape"))
    if shape == input.shape { return context.setOutput(0, slot: context.slot(0)) }
    guard input.rank <= shape.rank else {
        throw Status.invalidArgument(
            "Rank of input (\(input.rank)) must be no greater than rank of output shape (\(shape.rank)).")
    }
    guard let strides = broadcastStrides(input.shape, to: shape) else {
        // TensorFlow has a message of its own for shapes that can be broadcast together, but not to this shape.
        let missing = shape.rank - input.rank
        let fits = (0..<input.rank).allSatisfy { axis in
            let (size, wanted) = (input.dimension(axis), shape[axis + missing])
            return size == 1 || wanted == 1 || size == wanted
        }
        throw Status.invalidArgument(
            fits
                ? "Unable to broadcast tensor of shape \(input.shape) to tensor of shape \(shape)"
                : "Incompatible shapes: \(input.shape) vs. \(shape)")
    }
    try mover.setOutput(0, shape, StridedCopy(shape.dimensions, from: strides), of: input, at: 0, context)
}

extension Output {
    /// Broadcasts the tensor to the shape `sizes` (`BroadcastTo`).
    public func broadcast(to sizes: [Int]) -> Output {
        builder.add("BroadcastTo", [self, builder.constant(Tensor(sizes.map { Int64($0) }))])[0]
    }
}
