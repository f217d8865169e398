public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Splits a tensor into equal parts along a dimension.
    static let split = OpDefinition(
        "Split", "(split_dim: int32, value: T) -> (output: num_split * T)", "num_split: int >= 1", "T: type"
    )
    .shape(splitShape)
    .sharding { c in
        guard let rank = c.input(1).rank, let axis = c.axis(0, rank: rank) else { return nil }
        var labels = ShardingContext.labels(rank)
        labels[axis] = .whole
        return ShardingRule(inputs: [[], labels], outputs: Array(repeating: labels, count: c.outputCount)).linear()
    }
    .gradient { g in [nil, g.joined(g.outputGradients, along: g.inputs[0])] }
    .kernel(
        ["T": .all], gpu: ["T": .floatingOrComplex], hostMemory: ["split_dim"],
        moving: { request in
            splitKernel(count: try request.int("num_split"))
        })
}

extension GradientContext {
    /// The gradients of all outputs. An output without a gradient has zeros.
    var outputGradients: [Output] { gradients.indices.map { gradient($0) } }
}

@Sendable private func splitShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 0)
    let shape = c.input(1)
    var part = shape.rank.map(PartialShape.ofRank) ?? .unknown
    if let axis = c.integer(0), let rank = shape.rank {
        guard let front = nonNegativeAxis(axis, rank: rank) else {
            throw Status.invalidArgument(
                "Dimension size, given by scalar input \(axis) must be in range [-\(rank), \(rank))")
        }
        let count = c.outputs.count
        if let size = shape[front], count > 0, size % count != 0 {
            throw Status.invalidArgument(
                "Dimension size must be evenly divisible by \(count) but is \(size)\n\tNumber of ways to split should "
                    + "evenly divide the split dimension")
        }
        part = shape.replacing(front, with: shape[front].map { $0 / max(1, count) })
    }
    for index in c.outputs.indices { c.setOutput(index, part) }
}

private func splitKernel(count: Int) -> MovingBody {
    { context, mover in
        let position = context.input(0)
        let input = context.input(1)
        guard position.rank == 0 else {
            throw Status.invalidArgument("split_dim must be a scalar but has rank \(position.rank)")
        }
        let axis = try splitAxis(try position.integer("split_dim"), rank: input.rank)
        let size = input.dimension(axis)
        guard count > 0, size % count == 0 else {
            throw Status.invalidArgument(
                "Number of ways to split should evenly divide the split dimension, but got split_dim \(axis) "
                    + "(size = \(size)) and num_split \(count)")
        }
        if count == 1 { return context.setOutput(0, slot: context.slot(1)) }
        try mover.setOutputs(parts: input, axis, [Int](repeating: size / count, count: count), context)
    }
}

/// Returns the axis counted from the front.
/// - Throws: `invalidArgument` if the axis is out of range.
func splitAxis(_ axis: Int, rank: Int) throws -> Int {
    guard let front = nonNegativeAxis(axis, rank: rank) else {
        throw Status.invalidArgument("-input rank(-\(rank)) <= split_dim < input rank (\(rank)), but got \(axis)")
    }
    return front
}

extension ElementMover {
    /// Sets the outputs to consecutive parts of a tensor along a dimension. The parts are views if possible.
    func setOutputs(parts input: Tensor, _ axis: Int, _ sizes: [Int], _ context: borrowing KernelContext) throws {
        let shape = input.shape
        let inner = wrappingProduct(shape.dimensions[(axis + 1)...])
        let outer = wrappingProduct(shape.dimensions[..<axis])
        try setOutputs(parts: input, outer, inner, shapes: sizes.map { shape.replacing(axis, with: $0) }, sizes, context)
    }

    /// Sets the outputs to consecutive parts of the rows of a tensor.
    /// - Parameters:
    ///   - outer: the number of rows.
    ///   - sizes: how many times `inner` elements of a row each part has.
    func setOutputs(parts input: Tensor, _ outer: Int, _ inner: Int, shapes: [Shape], _ sizes: [Int], _ context: borrowing KernelContext) throws {
        let row = sizes.reduce(0, &+) &* inner
        if case .card(let card) = self, outer > 1, row > 0 {
            // All parts in one launch.
            let parts = try sizes.indices.map { index in
                (tensor: try context.output(index, input.dtype, shapes[index]), width: sizes[index] &* inner)
            }
            return try card.exchange(parts, rows: outer, input, toParts: true)
        }
        var offset = 0
        for (index, size) in sizes.enumerated() {
            let run = size &* inner
            try setOutput(
                index, shapes[index], StridedCopy([outer, run], from: [row, 1], to: [run, 1]), of: input, at: offset, context)
            offset = offset &+ run
        }
    }
}

extension Output {
    /// Splits this tensor into `count` equal parts along a dimension (`Split`).
    public func split(into count: Int, axis: Int = 0) -> [Output] {
        builder.add(
            "Split", [builder.int32(axis, "axis"), self],
            attributes: ["num_split": .int(count)]
        ).outputs
    }
}
