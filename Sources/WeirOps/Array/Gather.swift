import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Gathers the slices of a tensor along an axis that the indices name.
    static let gatherV2 = OpDefinition(
        "GatherV2", "(params: Tparams, indices: Tindices, axis: Taxis) -> (output: Tparams)", "batch_dims: int = 0",
        "Tparams: type", "Tindices: {int16, int32, int64}", "Taxis: {int32, int64}"
    )
    .shape(gatherShape)
    .sharding { c in
        guard c.attributes.int("batch_dims") ?? 0 == 0, let rank = c.input(0).rank, let axis = c.axis(2, rank: rank) else { return nil }
        return ShardingRule.lookup(c, axis: axis)
    }
    .knownValue { c in c.attributes.int("batch_dims") == 0 ? c.gathered() : nil }
    .gradient(gatherGradient)
    .kernel(
        ["Tparams": .all], gpu: ["Tparams": gatherGPUTypes, "Tindices": .index], hostMemory: ["axis"]
    ) { request in
        let batchDimensions = try request.int("batch_dims")
        return .sync { context in
            let axis = context.input(2)
            guard axis.rank == 0 else { throw Status.invalidArgument("axis must be scalar") }
            try gatherSlices(context, axis: try axis.integer("axis"), batchDimensions: batchDimensions)
        }
    }
    .cuda { request in
        let gather = try CUDAGather(request.cudaDevice(), indices: try request.type("Tindices"))
        let batchDimensions = try request.int("batch_dims")
        return .sync { context in
            let axis = context.input(2)
            guard axis.rank == 0 else { throw Status.invalidArgument("axis must be scalar") }
            try gatherSlices(context, gather, axis: try axis.integer("axis"), batchDimensions: batchDimensions)
        }
    }

    /// Like `GatherV2` along axis 0, without batch dimensions.
    static let gather = OpDefinition(
        "Gather", "(params: Tparams, indices: Tindices) -> (output: Tparams)", "validate_indices: bool = true",
        "Tparams: type", "Tindices: {int32, int64}"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        c.setOutput(0, c.input(1).concatenating(c.input(0).dropFirst()))
    }
    .sharding { c in ShardingRule.lookup(c, axis: 0) }
    .gradient { g in [try gatherGradient(g)[0], nil] }
    .kernel(["Tparams": .all], gpu: ["Tparams": gatherGPUTypes]) { _ in
        .sync { context in try gatherSlices(context, axis: 0, batchDimensions: 0) }
    }
    .cuda { request in
        let gather = try CUDAGather(request.cudaDevice(), indices: try request.type("Tindices"))
        return .sync { context in try gatherSlices(context, gather, axis: 0, batchDimensions: 0) }
    }

    private static let gatherGPUTypes: DTypeSet = [.floatingOrComplex, DTypeSet(.bool, .int32, .int64)]
}

@Sendable private func gatherShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, atLeast: 1)
    try c.requireRank(2, 0)
    let (params, indices) = (c.input(0), c.input(1))
    let batchDimensions = c.attributes.int("batch_dims") ?? 0
    guard let wanted = c.integer(2) else {
        guard let rank = params.rank, let indexRank = indices.rank else { return }
        // The axis takes one dimension away, whichever axis it is.
        if batchDimensions >= 0, batchDimensions <= indexRank {
            c.setOutput(0, .ofRank(rank + indexRank - 1 - batchDimensions))
        }
        return
    }
    try c.requireRank(0, atLeast: wanted >= 0 ? wanted &+ 1 : 0 &- wanted)
    guard let dimensions = params.dimensions, let indexDimensions = indices.dimensions else { return }
    guard let axis = nonNegativeAxis(wanted, rank: dimensions.count) else {
        throw Status.invalidArgument("Shape must be at least rank \(0 &- wanted) but is rank \(dimensions.count)")
    }
    guard let batch = batchRank(batchDimensions, indexDimensions.count) else {
        throw Status.invalidArgument(
            "Expected batch_dims in the range [\(-indexDimensions.count), \(indexDimensions.count)], "
                + "but got \(batchDimensions)")
    }
    // An axis among the batch dimensions is an error, which the kernel reports.
    guard batch <= axis else { return }
    let shared = try? PartialShape(Array(dimensions[..<batch])).merging(PartialShape(Array(indexDimensions[..<batch])))
    guard let shared else { return }
    c.setOutput(
        0,
        shared.concatenating(PartialShape(Array(dimensions[batch..<axis])))
            .concatenating(PartialShape(Array(indexDimensions[batch...])))
            .concatenating(PartialShape(Array(dimensions[(axis + 1)...]))))
}

/// Returns the number of leading batch dimensions that params and indices share, or nil if `batchDimensions` is out of range. A
/// negative number counts from the end of the indices' dimensions.
func batchRank(_ batchDimensions: Int, _ indexRank: Int) -> Int? {
    guard batchDimensions >= -indexRank, batchDimensions <= indexRank else { return nil }
    return batchDimensions < 0 ? batchDimensions + indexRank : batchDimensions
}

private func gatherSlices(_ context: borrowing KernelContext, axis: Int, batchDimensions: Int) throws {
    let (params, indices) = (context.input(0), context.input(1))
    let (shape, move) = try gatherPlan(params, indices, axis: axis, batchDimensions: batchDimensions)
    switch indices.dtype {
    case .int16: try move.run(Int16.self, context, params, indices, shape)
    case .int32: try move.run(Int32.self, context, params, indices, shape)
    default: try move.run(Int64.self, context, params, indices, shape)
    }
}

private func gatherSlices(_ context: borrowing KernelContext, _ gather: CUDAGather, axis: Int, batchDimensions: Int) throws {
    let (params, indices) = (context.input(0), context.input(1))
    let (shape, move) = try gatherPlan(params, indices, axis: axis, batchDimensions: batchDimensions)
    try gather.run(
        params, indices, batch: move.batch, outer: move.outer, limit: move.limit, count: move.count, inner: move.inner,
        to: try context.output(0, params.dtype, shape))
}

/// The shape of the gathered slices, and the gather in four dimensions.
private func gatherPlan(_ params: Tensor, _ indices: Tensor, axis wanted: Int, batchDimensions: Int) throws -> (Shape, GatherDimensions) {
    guard params.rank > 0 else { throw Status.invalidArgument("params must be at least 1 dimensional") }
    guard let axis = nonNegativeAxis(wanted, rank: params.rank) else {
        throw Status.invalidArgument(
            "Expected axis in the range [\(-params.rank), \(params.rank)), but got \(wanted)")
    }
    guard let batch = batchRank(batchDimensions, indices.rank) else {
        throw Status.invalidArgument(
            "Expected batch_dims in the range [\(-indices.rank), \(indices.rank)], but got \(batchDimensions)")
    }
    guard batch < params.rank else {
        throw Status.invalidArgument(
            "batch_dims (\(batch)) must be less than rank(params) (\(params.rank)).")
    }
    guard axis >= batch else {
        throw Status.invalidArgument("batch_dims (\(batch)) must be less than or equal to axis (\(axis)).")
    }
    let (sizes, indexSizes) = (params.shape.dimensions, indices.shape.dimensions)
    for dimension in 0..<batch where sizes[dimension] != indexSizes[dimension] {
        throw Status.invalidArgument(
            "params.shape[\(dimension)]: \(sizes[dimension]) should be equal to indices.shape[\(dimension)]: "
                + "\(indexSizes[dimension])")
    }
    let shape = try Shape(validating: Array(sizes[..<axis] + indexSizes[batch...] + sizes[(axis + 1)...]))
    let move = GatherDimensions(
        batch: wrappingProduct(sizes[..<batch]), outer: wrappingProduct(sizes[batch..<axis]), limit: sizes[axis],
        count: wrappingProduct(indexSizes[batch...]), inner: wrappingProduct(sizes[(axis + 1)...]))
    return (shape, move)
}

/// A gather reduced to four dimensions: params are [batch, outer, limit, inner], indices [batch, count].
private struct GatherDimensions {
    let batch: Int, outer: Int, limit: Int, count: Int, inner: Int

    func run<I: FixedWidthInteger & SignedInteger>(
        _ type: I.Type, _ context: borrowing KernelContext, _ params: Tensor, _ indices: Tensor, _ shape: Shape
    ) throws {
        let positions = indices.elements(I.self)
        if shape.elementCount > 0, let bad = firstInvalidIndex(positions) {
            // TensorFlow's GPU kernels do not check indices. Slices of invalid indices are zero.
            guard !context.device.isHost else {
                throw Status.invalidArgument(
                    "indices\(coordinatesText(bad, in: indices.shape)) = \(positions[bad]) is not in [0, \(limit))")
            }
            return try runWithInvalidIndices(context, params, positions, shape)
        }
        if positions.count == 1, batch == 1, outer == 1, shape.elementCount > 0 {
            // A single slice of the whole tensor can be a view.
            let row = Int(positions[0])
            return try context.setOutput(
                0, shape, StridedCopy([inner], from: [1]), of: params, at: row * inner)
        }
        let output = try context.output(0, params.dtype, shape)
        guard shape.elementCount > 0 else { return }
        let moves = RowCopy(dtype: params.dtype, width: inner)
        let (batch, outer, limit, count) = (batch, outer, limit, count)
        if batch == 1, outer == 1 {
            moves.run(count, from: params, to: output, in: context.pool) { (Int(positions[$0]), $0) }
        } else {
            moves.run(slabs: batch * outer, count: count, from: params, to: output, in: context.pool) { slab, index in
                let first = batch == 1 ? 0 : slab / outer &* count
                return (slab &* limit &+ Int(positions[first &+ index]), slab &* count &+ index)
            }
        }
    }

    /// Gathers, and outputs zeros for indices that are out of range.
    private func runWithInvalidIndices<I: FixedWidthInteger & SignedInteger>(
        _ context: borrowing KernelContext, _ params: Tensor, _ positions: UnsafeBufferPointer<I>, _ shape: Shape
    ) throws {
        let output = try context.output(0, params.dtype, shape)
        output.clearElements()
        for slab in 0..<(shape.elementCount > 0 ? batch * outer : 0) {
            for index in 0..<count {
                let position = Int(positions[slab / outer * count + index])
                guard position >= 0, position < limit else { continue }
                StridedCopy([inner], from: [1]).run(
                    from: params, skipping: (slab * limit + position) * inner, to: output,
                    at: (slab * count + index) * inner, in: context.pool)
            }
        }
    }

    /// Returns the position of the first index that is out of range, or nil.
    private func firstInvalidIndex<I: FixedWidthInteger & SignedInteger>(_ positions: UnsafeBufferPointer<I>) -> Int? {
        // The loop vectorizes because it does not stop early. The position is searched only after an invalid index was found.
        let bound = I(clamping: limit)
        var isWrong: I = 0
        for position in positions { isWrong |= position < 0 || position >= bound ? 1 : 0 }
        return isWrong == 0 ? nil : positions.firstIndex { $0 < 0 || Int($0) >= limit }
    }
}

extension Output {
    /// Gathers the slices along `axis` that the indices name (`GatherV2`). The first `batchDimensions` dimensions of both tensors
    /// are batch dimensions.
    public func gathered(indices: Output, axis: Int = 0, batchDimensions: Int = 0) -> Output {
        builder.add(
            "GatherV2", [self, indices, builder.int32(axis, "axis")],
            attributes: ["batch_dims": .int(batchDimensions)])[0]
    }
}
