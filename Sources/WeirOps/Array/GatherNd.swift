import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Gathers elements or slices of a tensor. Each row of indices names one.
    static let gatherNd = OpDefinition(
        "GatherNd", "(params: Tparams, indices: Tindices) -> (output: Tparams)", "Tparams: type",
        "Tindices: {int16, int32, int64}", "bad_indices_policy: string = ''"
    )
    .shape { c in
        try c.requireRank(1, atLeast: 1)
        guard let rank = c.input(0).rank, let depth = c.input(1)[-1] else { return }
        guard depth <= rank else {
            throw Status.invalidArgument(
                "indices.shape[-1] must be <= params.rank, but saw indices shape: "
                    + "\(c.input(1)) and params shape: \(c.input(0))")
        }
        c.setOutput(0, c.input(1).dropLast().concatenating(c.input(0).dropFirst(depth)))
    }
    .gradient { g in
        let indices = g.inputs[1].dtype == .int16 ? g.cast(g.inputs[1], to: .int32) : g.inputs[1]
        let policy = Attributes(g.attributes["bad_indices_policy"].map { ["bad_indices_policy": $0] } ?? [:])
        return [g.op("ScatterNd", indices, g.gradient(), g.shape(g.inputs[0], indices.dtype), attributes: policy), nil]
    }
    .kernel(
        ["Tparams": .all], gpu: ["Tparams": [.floatingOrComplex, .index], "Tindices": .index], make: gatherNdKernel
    )
    .cuda { request in
        try NdIndices.requireIgnored(request)
        let gather = try CUDAGather(request.cudaDevice(), indices: try request.type("Tindices"))
        return .sync { context in
            let (params, indices) = (context.input(0), context.input(1))
            let (shape, depth) = try gatherNdShape(params, indices)
            try gather.run(params, rows: indices, depth: depth, to: try context.output(0, params.dtype, shape))
        }
    }
}

/// The shape of the gathered slices, and the number of indices in a row.
private func gatherNdShape(_ params: Tensor, _ indices: Tensor) throws -> (Shape, depth: Int) {
    guard params.rank > 0 else { throw Status.invalidArgument("params must be at least a vector") }
    guard indices.rank > 0 else { throw Status.invalidArgument("indices must be at least a vector") }
    let depth = indices.dimension(indices.rank - 1)
    guard depth <= params.rank else {
        throw Status.invalidArgument(
            "index innermost dimension length must be <= params rank; saw: \(depth) vs. \(params.rank)")
    }
    let shape = try Shape(validating: Array(indices.shape.dimensions.dropLast()) + params.shape.dimensions[depth...])
    if params.elementCount == 0, shape.elementCount > 0 || indices.elementCount > 0 {
        throw Status.invalidArgument(
            "Requested more than 0 entries, but params is empty.  Params shape: \(params.shape)")
    }
    return (shape, depth)
}

@Sendable private func gatherNdKernel(_ request: KernelRequest) throws -> Kernel {
    let policy = try NdIndices.Policy(request)
    let name = request.name
    return .sync { context in
        let (params, indices) = (context.input(0), context.input(1))
        let (shape, depth) = try gatherNdShape(params, indices)
        let outer = indices.shape.dimensions.dropLast()
        let output = try context.output(0, params.dtype, shape)
        let places = try NdIndices(indices, depth: depth, in: params.shape, policy) { row, text in
            let position = coordinatesText(row, in: Shape(Array(outer)))
            return .invalidArgument(
                "indices\(position) = \(text) does not index into param shape \(params.shape), node name: \(name)")
        }
        guard shape.elementCount > 0 else { return }
        let moves = RowCopy(dtype: params.dtype, width: places.width)
        if places.hasInvalidIndices {
            output.clearElements()
            let kept = places.slices.indices.filter { places.slices[$0] >= 0 }
            moves.run(kept.count, from: params, to: output, in: context.pool) { (places.slices[kept[$0]], kept[$0]) }
        } else {
            places.slices.withUnsafeBufferPointer { slices in
                moves.run(slices.count, from: params, to: output, in: context.pool) { (slices[$0], $0) }
            }
        }
    }
}

extension Output {
    /// Gathers elements or slices. Each row of `indices` names one (`GatherNd`).
    public func gatheredNd(indices: Output) -> Output { builder.add("GatherNd", [self, indices])[0] }
}
