public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Splits a tensor into parts of given sizes along a dimension. One size may be -1 and is then inferred.
    static let splitV = OpDefinition(
        "SplitV", "(value: T, size_splits: Tlen, split_dim: int32) -> (output: num_split * T)", "num_split: int >= 1",
        "T: type", "Tlen: {int8, int32, int64} = int64"
    )
    .shape(splitVShape)
    .sharding { c in
        c.input(0).rank.flatMap { c.axis(2, rank: $0) }.flatMap { ShardingRule.independent(c, except: [$0])?.linear() }
    }
    .gradient { g in [g.joined(g.outputGradients, along: g.inputs[2]), nil, nil] }
    .kernel(
        ["T": .all], gpu: ["T": .floatingOrComplex], hostMemory: ["size_splits", "split_dim"],
        moving: { request in
            splitVKernel(count: try request.int("num_split"))
        }
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["value", "size_splits", "split_dim", "output"],
        moving: { request in
            splitVKernel(count: try request.int("num_split"))
        })
}

@Sendable private func splitVShape(_ c: inout ShapeContext) throws {
    let shape = c.input(0)
    guard let rank = shape.rank else { return }
    if rank == 0 { throw Status.invalidArgument("Can't split scalars") }
    guard let axis = c.integer(2) else {
        for index in c.outputs.indices { c.setOutput(index, .ofRank(rank)) }
        return
    }
    guard let front = nonNegativeAxis(axis, rank: rank) else {
        throw Status.invalidArgument(
            "Dimension size, given by scalar input \(axis) must be in range [-\(rank), \(rank))")
    }
    guard let sizes = c.integers(1) else {
        for index in c.outputs.indices { c.setOutput(index, shape.replacing(front, with: nil)) }
        return
    }
    guard sizes.count == c.outputs.count else {
        throw Status.invalidArgument("Length of size_splits should be equal to num_outputs")
    }
    let open = sizes.filter { $0 == -1 }.count
    guard open < 2 else { throw Status.invalidArgument("size_splits can only have one -1") }
    let sum = sizes.filter { $0 != -1 }.reduce(0, &+)
    if let whole = shape[front], open == 1 ? sum > whole : sum != whole {
        let list = sizes.map(String.init).joined(separator: ",")
        throw Status.invalidArgument("can't split axis of size \(whole) into pieces of size [\(list)]")
    }
    for (index, size) in sizes.enumerated() {
        let part = size == -1 ? shape[front].map { $0 &- sum } : size
        if let part, part < 0 { throw Status.invalidArgument("Dimension \(part) must be >= 0") }
        c.setOutput(index, shape.replacing(front, with: part))
    }
}

private func splitVKernel(count: Int) -> MovingBody {
    { context, mover in
        let input = context.input(0)
        let lengths = context.input(1)
        let position = context.input(2)
        guard position.elementCount == 1 else {
            throw Status.invalidArgument("split_dim_tensor must have exactly one element.")
        }
        guard lengths.rank == 1, lengths.elementCount == count else {
            throw Status.invalidArgument(
                "size of the split_tensor must be 1-D and have the same elements as outputs got \(lengths.rank) -D and "
                    + "\(lengths.elementCount) elements")
        }
        let axis = try splitAxis(try position.integer("split_dim"), rank: input.rank)
        let sizes = try completeSizes(try lengths.integers("size_splits"), input.dimension(axis))
        if count == 1 { return context.setOutput(0, slot: context.slot(0)) }
        try mover.setOutputs(parts: input, axis, sizes, context)
    }
}

/// Returns the sizes with -1 replaced by the rest of `whole`.
/// - Throws: `invalidArgument` if the sizes do not fit `whole`.
private func completeSizes(_ sizes: [Int], _ whole: Int) throws -> [Int] {
    var sizes = sizes
    if sizes.count == 1, sizes[0] != whole {
        throw Status.invalidArgument(
            "If there is only one output, it must have the same size as the input. Input size: \(whole) output size: "
                + "\(sizes[0])")
    }
    var sum = 0
    var open: Int?
    for (index, size) in sizes.enumerated() {
        if size == -1 {
            guard open == nil else { throw Status.invalidArgument("There can only be one -1 in the input.") }
            open = index
        } else {
            guard size >= 0 else {
                throw Status.invalidArgument("Split size at index \(index) must be >= 0. Got: \(size)")
            }
            sum = sum.addingReportingOverflow(size).overflow ? .max : sum + size
        }
    }
    guard open == nil ? sum == whole : sum <= whole else {
        throw Status.invalidArgument(
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be less "
                + "than the size of the input along split_dim if not fully specified.  Got: \(sum)")
    }
    if let open { sizes[open] = whole - sum }
    return sizes
}

extension Output {
    /// Splits this tensor into parts of given sizes along a dimension. One size may be -1 and is then inferred (`SplitV`).
    public func split(sizes: [Int], axis: Int = 0) -> [Output] {
        builder.add(
            "SplitV",
            [
                self, builder.constant(Tensor(sizes.map { Int64($0) })),
                builder.int32(axis, "axis"),
            ], attributes: ["num_split": .int(sizes.count)]
        ).outputs
    }
}
