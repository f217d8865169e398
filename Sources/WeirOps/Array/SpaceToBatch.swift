public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Pads a tensor, cuts it into blocks, and moves the elements of each block to the batch dimension.
    static let spaceToBatchND = OpDefinition(
        "SpaceToBatchND", "(input: T, block_shape: Tblock_shape, paddings: Tpaddings) -> (output: T)", "T: type",
        "Tblock_shape: {int32, int64} = int32", "Tpaddings: {int32, int64} = int32"
    )
    .shape { c in try blockShape(&c, toBatches: true) }
    .gradient { g in [g.op("BatchToSpaceND", g.gradient(), g.inputs[1], g.inputs[2]), nil, nil] }
    .kernel(
        ["T": .real], gpu: ["T": .floating], hostMemory: ["block_shape", "paddings"],
        moving: { request in
            let card = try CUDASpaceBatch.onCard(request)
            return { context, mover in
                try runSpaceToBatch(
                    context, mover, mover.isOnCard ? card : nil,
                    try SpaceBatchBlocks(context.input(1), context.input(2), rank: context.shape(0).rank, "paddings"))
            }
        })

    /// Moves elements of the batch dimension back to the blocks of a tensor, and crops the tensor.
    static let batchToSpaceND = OpDefinition(
        "BatchToSpaceND", "(input: T, block_shape: Tblock_shape, crops: Tcrops) -> (output: T)", "T: type",
        "Tblock_shape: {int32, int64} = int32", "Tcrops: {int32, int64} = int32"
    )
    .shape { c in try blockShape(&c, toBatches: false) }
    .gradient { g in [g.op("SpaceToBatchND", g.gradient(), g.inputs[1], g.inputs[2]), nil, nil] }
    .kernel(
        ["T": .real], gpu: ["T": .floating], hostMemory: ["block_shape", "crops"],
        moving: { request in
            let card = try CUDASpaceBatch.onCard(request)
            return { context, mover in
                try runBatchToSpace(
                    context, mover.isOnCard ? card : nil, try SpaceBatchBlocks(context.input(1), context.input(2), rank: context.shape(0).rank, "crops"))
            }
        })

    /// Like `SpaceToBatchND`, for images and square blocks.
    static let spaceToBatch = OpDefinition(
        "SpaceToBatch", "(input: T, paddings: Tpaddings) -> (output: T)", "T: type",
        "Tpaddings: {int32, int64} = int32", "block_size: int >= 2"
    )
    .shape { c in
        try c.requireRank(0, 4)
        c.setOutput(0, .ofRank(4))
        let size = c.attributes.int("block_size") ?? 2
        try spaceBatchShape(&c, block: [size, size], 2, toBatches: true)
    }
    .gradient { g in
        [g.op("BatchToSpace", g.gradient(), g.inputs[1], attributes: ["block_size": g.blockSize]), nil]
    }
    .kernel(
        ["T": .real], gpu: ["T": .floating], hostMemory: ["paddings"],
        moving: { request in
            let (size, card) = (try blockSize(request), try CUDASpaceBatch.onCard(request))
            return { context, mover in try runSpaceToBatch(context, mover, mover.isOnCard ? card : nil, try squareBlocks(context, size, "paddings")) }
        })

    /// Like `BatchToSpaceND`, for images and square blocks.
    static let batchToSpace = OpDefinition(
        "BatchToSpace", "(input: T, crops: Tidx) -> (output: T)", "T: type", "block_size: int >= 2",
        "Tidx: {int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(0, 4)
        c.setOutput(0, .ofRank(4))
        let size = c.attributes.int("block_size") ?? 2
        try spaceBatchShape(&c, block: [size, size], 2, toBatches: false)
    }
    .gradient { g in
        [g.op("SpaceToBatch", g.gradient(), g.inputs[1], attributes: ["block_size": g.blockSize]), nil]
    }
    .kernel(
        ["T": .real], gpu: ["T": .floating], hostMemory: ["crops"],
        moving: { request in
            let (size, card) = (try blockSize(request), try CUDASpaceBatch.onCard(request))
            return { context, mover in try runBatchToSpace(context, mover.isOnCard ? card : nil, try squareBlocks(context, size, "crops")) }
        })
}

extension GradientContext {
    var blockSize: AttributeValue { attributes["block_size"] ?? 2 }
}

private func blockSize(_ request: KernelRequest) throws -> Int {
    let size = try request.int("block_size")
    guard size > 1 else { throw Status.invalidArgument("Block size should be > 1: \(size)") }
    return size
}

private func squareBlocks(_ context: borrowing KernelContext, _ size: Int, _ marginName: String) throws
    -> SpaceBatchBlocks
{
    let (shape, margins) = (context.shape(0), context.input(1))
    guard shape.rank == 4 else { throw Status.invalidArgument("Input rank should be: 4instead of: \(shape.rank)") }
    guard margins.rank == 2, margins.dimension(0) == 2, margins.dimension(1) == 2 else {
        throw Status.invalidArgument("\(marginName) should have shape [2, 2] instead of \(margins.shape)")
    }
    return try SpaceBatchBlocks([size, size], try margins.integers(marginName), marginName)
}

private func runSpaceToBatch(
    _ context: borrowing KernelContext, _ mover: ElementMover, _ card: CUDASpaceBatch?, _ blocks: SpaceBatchBlocks
) throws {
    let input = context.input(0)
    let output = try context.output(0, input.dtype, blocks.batched(input.shape))
    if let card { return try card.copy(blocks, input, output, toBatches: true) }
    if blocks.margins.contains(where: { $0.before > 0 || $0.after > 0 }) { try mover.clear(output) }
    blocks.copy(input, output, toBatches: true, in: context.pool)
}

private func runBatchToSpace(_ context: borrowing KernelContext, _ card: CUDASpaceBatch?, _ blocks: SpaceBatchBlocks) throws {
    let input = context.input(0)
    let output = try context.output(0, input.dtype, blocks.spatial(input.shape))
    if let card { return try card.copy(blocks, output, input, toBatches: false) }
    blocks.copy(output, input, toBatches: false, in: context.pool)
}

private func blockShape(_ c: inout ShapeContext, toBatches: Bool) throws {
    if let rank = c.input(1).rank, rank != 1 { throw Status.invalidArgument("block_shape must have rank 1.") }
    try spaceBatchShape(&c, block: c.integers(1), c.input(1)[0], toBatches: toBatches)
}

/// Infers the result's shape from the known blocks and margins. The margins are the last input.
private func spaceBatchShape(_ c: inout ShapeContext, block: [Int]?, _ count: Int?, toBatches: Bool) throws {
    let input = c.input(0)
    let name = toBatches ? "paddings" : "crops"
    if let count { try c.requireRank(0, atLeast: count + 1) }
    let margins = c.integers(c.inputCount - 1)
    if let margins {
        if margins.contains(where: { $0 < 0 }) { throw Status.invalidArgument("\(name) cannot be negative") }
        if let count, margins.count != 2 * count {
            throw Status.invalidArgument("\(name) must have \(2 * count) numbers, found \(margins.count)")
        }
    }
    guard let dimensions = input.dimensions else { return }
    guard let block, dimensions.count > block.count else {
        // Dimensions after the spatial ones do not change.
        guard let count else { return c.setOutput(0, .ofRank(dimensions.count)) }
        return c.setOutput(0, .ofRank(count + 1).concatenating(input.dropFirst(count + 1)))
    }
    let blocks = try SpaceBatchBlocks(
        block, margins ?? [Int](repeating: 0, count: 2 * block.count), name)
    var sizes = dimensions
    sizes[0] = try dimensions[0].map { batch in
        if toBatches { return batch &* blocks.blockProduct }
        guard batch % blocks.blockProduct == 0 else {
            throw Status.invalidArgument(
                "Dimension size must be evenly divisible by \(blocks.blockProduct) but is \(batch)")
        }
        return batch / blocks.blockProduct
    }
    for (axis, size) in block.enumerated() {
        sizes[axis + 1] =
            margins == nil
            ? nil
            : try dimensions[axis + 1].flatMap { whole in
                let margin = blocks.margins[axis].before &+ blocks.margins[axis].after
                if toBatches {
                    let sum = whole &+ margin
                    guard sum % size == 0 else {
                        throw Status.invalidArgument("Dimension size must be evenly divisible by \(size) but is \(sum)")
                    }
                    return sum / size
                }
                let (product, overflow) = whole.multipliedReportingOverflow(by: size)
                guard !overflow else { return nil }
                guard product >= margin else {
                    throw Status.invalidArgument(
                        "Negative dimension size caused by subtracting \(margin) from \(product)")
                }
                return product - margin
            }
    }
    c.setOutput(0, PartialShape(sizes))
}

extension Output {
    /// Pads this tensor, cuts it into blocks, and moves the elements of each block to the batch dimension (`SpaceToBatchND`).
    public func spaceToBatch(block: [Int], paddings: [(before: Int, after: Int)]) -> Output {
        builder.add(
            "SpaceToBatchND",
            [self, builder.constant(Tensor(block.map { Int64($0) })), builder.paddings(paddings)])[0]
    }
    /// Moves elements of the batch dimension back to blocks, and crops the tensor (`BatchToSpaceND`).
    public func batchToSpace(block: [Int], crops: [(before: Int, after: Int)]) -> Output {
        builder.add(
            "BatchToSpaceND", [self, builder.constant(Tensor(block.map { Int64($0) })), builder.paddings(crops)])[0]
    }
}
