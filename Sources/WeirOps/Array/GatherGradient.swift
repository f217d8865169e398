import WeirGraph
import WeirKernels
import WeirTensor

// TensorFlow's gradient of a gather is an `IndexedSlices`. Gradients are dense tensors here, so the slices are summed.

/// Returns the gradients of `Gather` and `GatherV2`: each slice's gradient is added to the slice that was gathered.
func gatherGradient(_ g: GradientContext) throws -> [Output?] {
    let params = g.inputs[0]
    let indices = g.inputs[1].dtype == .int16 ? g.cast(g.inputs[1], to: .int32) : g.inputs[1]
    let batchDimensions = g.attributes.int("batch_dims") ?? 0
    let wanted = g.inputs.count > 2 ? g.builder.knownInteger(g.inputs[2]) : 0
    if wanted == 0, batchDimensions == 0 {
        return [g.op("UnsortedSegmentSum", g.gradient(), indices, g.size(of: params, 0)), nil, nil]
    }
    guard let wanted, let rank = params.shape.rank, let indexRank = indices.shape.rank,
        let axis = nonNegativeAxis(wanted, rank: rank), let batch = batchRank(batchDimensions, indexRank), batch <= axis
    else {
        throw Status.unimplemented(
            "The gradient of '\(g.node.name)' (op: '\(g.node.op.name)') needs a constant axis and known ranks when the "
                + "axis is not 0")
    }
    // The dimensions of the indices, which stand in the place of the axis, move to the front, after the batch dimensions.
    let extra = indexRank - batch
    let order = Array(0..<batch) + (axis..<axis + extra) + (batch..<axis) + (axis + extra..<rank + extra - 1)
    var values = transposed(g, g.gradient(), order)
    // Sizes and positions are int64: a dimension may be larger than an int32.
    var positions = indices
    var segments = g.size(of: params, axis)
    let outerSizes = (0..<batch).map { g.size(of: params, $0) }
    if batch > 0 {
        // Each batch gets segments of its own. They are empty if the axis has size 0, and the batches are still counted.
        let (zero, one) = (g.constant(Tensor(Int64(0))), g.constant(Tensor(Int64(1))))
        let product = outerSizes.dropFirst().reduce(outerSizes[0]) { g.op("Mul", $0, $1) }
        var offsets = g.op("Mul", g.op("Range", zero, product, one), segments)
        offsets = g.op("Reshape", offsets, g.ops("Pack", outerSizes + [Output](repeating: one, count: extra))[0])
        positions = g.op("AddV2", g.cast(positions, to: .int64), offsets)
        segments = g.op("Mul", product, segments)
    }
    let inner = ((batch..<axis).map { $0 } + (axis + 1..<rank)).map { g.size(of: params, $0) }
    values = g.op("UnsortedSegmentSum", values, positions, segments)
    if batch > 0 {
        let sizes = outerSizes + [g.size(of: params, axis)] + inner
        values = g.op("Reshape", values, g.ops("Pack", sizes)[0])
    }
    let back = Array(0..<batch) + (batch + 1..<axis + 1) + [batch] + (axis + 1..<rank)
    let result = transposed(g, values, back)
    g.builder.refineShape(of: result, params.shape)
    return [result, nil, nil]
}

private func transposed(_ g: GradientContext, _ value: Output, _ order: [Int]) -> Output {
    order == Array(order.indices) ? value : g.op("Transpose", value, g.constant(order))
}

extension GradientContext {
    /// Returns a dimension of an output, an int64 scalar: a constant if it is known, otherwise computed when the graph runs.
    func size(of output: Output, _ axis: Int) -> Output {
        if let known = output.shape[axis] { return constant(Tensor(Int64(known))) }
        return builder.add(
            "StridedSlice",
            [
                op("Shape", output, attributes: ["out_type": .type(.int64)]), constant([axis]), constant([axis + 1]),
                constant([1]),
            ], attributes: ["shrink_axis_mask": 1])[0]
    }
}

extension GraphBuilder {
    /// Returns the integer that a `Const` of one element holds, or nil for any other output.
    func knownInteger(_ output: Output) -> Int? {
        let node = node(output.endpoint.node)
        guard node.op.name == "Const" else { return nil }
        return (try? node.attributes.tensor("value")?.integer()) ?? nil
    }
}
