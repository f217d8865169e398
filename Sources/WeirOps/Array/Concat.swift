public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Concatenates tensors along a dimension.
    static let concatV2 = OpDefinition(
        "ConcatV2", "(values: N * T, axis: Tidx) -> (output: T)", "N: int >= 2", "T: type",
        "Tidx: {int32, int64} = int32"
    )
    .shape { c in try concatShape(&c, values: 0..<c.inputCount - 1, axis: c.inputCount - 1) }
    .sharding { c in concatSharding(c, values: 0..<c.inputCount - 1, axis: c.inputCount - 1) }
    .knownValue { c in c.concatenated(0..<c.inputCount - 1) }
    .gradient { g in try concatGradient(g, values: 0..<g.inputs.count - 1, axis: g.inputs.count - 1) }
    .kernel(
        ["T": concatTypes], gpu: ["T": .gpuMovable], hostMemory: ["axis"],
        moving: { request in
            concatKernel(axisFirst: false, count: try request.int("N"))
        }
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["values", "axis", "output"],
        moving: { request in
            concatKernel(axisFirst: false, count: try request.int("N"))
        })

    /// Like `ConcatV2`, but the axis is the first input.
    static let concat = OpDefinition(
        "Concat", "(concat_dim: int32, values: N * T) -> (output: T)", "N: int >= 2", "T: type"
    )
    .shape { c in try concatShape(&c, values: 1..<c.inputCount, axis: 0) }
    .sharding { c in concatSharding(c, values: 1..<c.inputCount, axis: 0) }
    .knownValue { c in c.concatenated(1..<c.inputCount) }
    .gradient { g in try concatGradient(g, values: 1..<g.inputs.count, axis: 0) }
    .kernel(
        ["T": concatTypes], gpu: ["T": .gpuMovable], hostMemory: ["concat_dim"],
        moving: { request in
            concatKernel(axisFirst: true, count: try request.int("N"))
        }
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["concat_dim", "values", "output"],
        moving: { request in
            concatKernel(axisFirst: true, count: try request.int("N"))
        })

    private static let concatTypes = DTypeSet.all.subtracting(DTypeSet(.resource))
}

private func concatShape(_ c: inout ShapeContext, values: Range<Int>, axis axisInput: Int) throws {
    guard !values.isEmpty else { return }
    try c.requireRank(axisInput, 0)
    guard let axis = c.integer(axisInput) else {
        // While the axis is unknown, only the rank can be inferred.
        var rank: Int?
        for index in values {
            guard let found = c.input(index).rank else { continue }
            guard rank ?? found == found else {
                throw Status.invalidArgument("Shape must be rank \(rank ?? 0) but is rank \(found)")
            }
            rank = found
        }
        if let rank {
            if rank == 0 { throw Status.invalidArgument("Can't concatenate scalars (use tf.stack instead)") }
            c.setOutput(0, .ofRank(rank))
        }
        return
    }
    var merged = PartialShape.unknown
    var sum: Int? = 0
    for index in values {
        let shape = c.input(index)
        if let rank = shape.rank {
            guard rank > 0 else { throw Status.invalidArgument("Can't concatenate scalars (use tf.stack instead)") }
            guard nonNegativeAxis(axis, rank: rank) != nil else {
                throw Status.invalidArgument(
                    axis < 0
                        ? "Shape must be at least rank \(axis.magnitude) but is rank \(rank)"
                        : "Shape must be at least rank \(axis.magnitude + 1) but is rank \(rank)")
            }
        }
        sum = sum.flatMap { total in shape[axis].map { total &+ $0 } }
        merged = try merged.merging(shape.replacing(axis, with: nil))
    }
    c.setOutput(0, merged.replacing(axis, with: sum))
}

private func concatSharding(_ c: ShardingContext, values: Range<Int>, axis: Int) -> ShardingRule? {
    guard let rank = c.output().rank, let axis = c.axis(axis, rank: rank) else { return nil }
    var labels = ShardingContext.labels(rank)
    labels[axis] = .whole
    return ShardingRule(inputs: (0..<c.inputCount).map { values.contains($0) ? labels : [] }, outputs: [labels]).linear()
}

private func concatKernel(axisFirst: Bool, count: Int) -> MovingBody {
    let first = axisFirst ? 1 : 0
    let axisName = axisFirst ? "concat_dim" : "axis"
    return { context, mover in
        let position = context.input(axisFirst ? 0 : count)
        guard position.elementCount == 1, position.rank <= 1 else {
            throw Status.invalidArgument(
                "\(axisName) tensor should be a scalar integer, but got shape \(position.shape)")
        }
        let shape = context.shape(first)
        for index in 0..<count where context.shape(first + index).rank == 0 {
            throw Status.invalidArgument("ConcatOp : Can't concatenate scalars (use tf.stack instead)")
        }
        let wanted = try position.integer(axisName)
        guard let axis = nonNegativeAxis(wanted, rank: shape.rank) else {
            throw Status.invalidArgument(
                "ConcatOp : Expected concatenating dimensions in the range [\(-shape.rank), \(shape.rank)), "
                    + "but got \(wanted)")
        }
        var total = 0
        for index in 0..<count {
            let other = context.shape(first + index)
            try checkConcat(shape, other, index, axis)
            let (sum, overflow) = total.addingReportingOverflow(other[axis])
            guard !overflow else { throw Status.invalidArgument("ConcatOp : the sizes' sum is too large") }
            total = sum
        }
        var sizes = shape.dimensions
        sizes[axis] = total
        let result = try Shape(validating: sizes)
        // An input that already has the result's shape is forwarded, because all others are empty.
        for index in 0..<count where context.shape(first + index) == result {
            return context.setOutput(0, slot: context.slot(first + index))
        }
        let output = try context.output(0, context.dtype(first), result)
        guard result.elementCount > 0 else { return }
        let outer = shape.count(..<axis), inner = shape.count((axis + 1)...)
        let parts = (0..<count).map { index in
            let input = context.input(first + index)
            return (tensor: input, width: input.dimension(axis) * inner)
        }
        try mover.join(parts, rows: outer, into: output)
    }
}

private func checkConcat(_ shape: Shape, _ other: Shape, _ index: Int, _ axis: Int) throws {
    guard shape.rank == other.rank else {
        throw Status.invalidArgument(
            "ConcatOp : Ranks of all input tensors should match: shape[0] = \(shape) vs. shape[\(index)] = \(other)")
    }
    for dimension in 0..<shape.rank where dimension != axis && shape[dimension] != other[dimension] {
        throw Status.invalidArgument(
            "ConcatOp : Dimension \(dimension) in both shapes must be equal: shape[0] = \(shape) vs. "
                + "shape[\(index)] = \(other)")
    }
}

private func concatGradient(_ g: GradientContext, values: Range<Int>, axis axisInput: Int) throws -> [Output?] {
    let inputs = Array(g.inputs[values])
    var result = [Output?](repeating: nil, count: g.inputs.count)
    let parts: [Output]
    let axis = g.inputs[axisInput]
    let known = g.builder.knownInteger(axis)
    if inputs.count == 1 {
        parts = [g.gradient()]
    } else if let known, let sizes = allKnown(inputs.map { $0.shape[known] }) {
        parts = g.ops(
            "SplitV", [g.gradient(), g.constant(Tensor(sizes.map { Int64($0) })), g.integer(known)],
            attributes: ["num_split": .int(inputs.count)])
    } else {
        let front = g.op("FloorMod", g.cast(axis, to: .int32), g.op("Rank", inputs[0]))
        let shapes = g.ops("ShapeN", inputs)
        let offsets = g.ops("ConcatOffset", [front] + shapes)
        parts = zip(offsets, shapes).map { g.op("Slice", g.gradient(), $0, $1) }
    }
    for (index, part) in zip(values, parts) { result[index] = part }
    return result
}

private func allKnown(_ sizes: [Int?]) -> [Int]? {
    let known = sizes.compactMap { $0 }
    return known.count == sizes.count ? known : nil
}

extension GraphBuilder {
    /// Concatenates tensors along a dimension (`ConcatV2`). A single tensor is forwarded by `Identity`.
    public func concatenated(_ values: [Output], axis: Int) -> Output {
        if values.count == 1 { return values[0].identity() }
        return add("ConcatV2", values + [int32(axis, "axis")])[0]
    }
}
extension Output {
    /// Concatenates this tensor and `others` along a dimension (`ConcatV2`).
    public func concatenated(with others: Output..., axis: Int) -> Output {
        builder.concatenated([self] + others, axis: axis)
    }
}
