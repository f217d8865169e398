import WeirGraph
import WeirKernels
import WeirTensor

// Ops that write to a strided slice: of zeros, or of a tensor.

extension OpDefinition {
    /// Computes the gradient of `StridedSlice`: zeros of a given shape, with `dy` in the place of the slice.
    static let stridedSliceGrad = OpDefinition(
        "StridedSliceGrad", "(shape: Index, begin: Index, end: Index, strides: Index, dy: T) -> (output: T)",
        "T: type", "Index: {int32, int64}", "begin_mask: int = 0", "end_mask: int = 0", "ellipsis_mask: int = 0",
        "new_axis_mask: int = 0", "shrink_axis_mask: int = 0"
    )
    .shape { c in c.setOutput(0, try c.shapeArgument(0)) }
    .gradient { g in
        let attributes = Attributes(StridedSliceSpec.Masks(g.attributes).attributes)
        return [
            nil, nil, nil, nil,
            g.ops("StridedSlice", [g.gradient()] + g.inputs[1...3], attributes: attributes)[0],
        ]
    }
    .kernel(
        ["T": .all], gpu: ["T": .gpuMovable], hostMemory: ["shape", "begin", "end", "strides"],
        moving: stridedSliceGradKernel
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["shape", "begin", "end", "strides", "dy", "output"],
        moving: stridedSliceGradKernel)

    /// Replaces a strided slice of a tensor by `value`.
    static let tensorStridedSliceUpdate = OpDefinition(
        "TensorStridedSliceUpdate", "(input: T, begin: Index, end: Index, strides: Index, value: T) -> (output: T)",
        "T: type", "Index: {int32, int64}", "begin_mask: int = 0", "end_mask: int = 0", "ellipsis_mask: int = 0",
        "new_axis_mask: int = 0", "shrink_axis_mask: int = 0"
    )
    .shape(ShapeFunctions.unchanged)
    .gradient { g in
        let attributes = Attributes(StridedSliceSpec.Masks(g.attributes).attributes)
        let bounds = Array(g.inputs[1...3])
        let around = g.ops(
            "TensorStridedSliceUpdate", [g.gradient()] + bounds + [g.op("ZerosLike", g.inputs[4])],
            attributes: attributes)[0]
        let inside = g.ops("StridedSlice", [g.gradient()] + bounds, attributes: attributes)[0]
        let value = g.unbroadcast(inside, to: g.inputs[4], other: inside)
        return [around, nil, nil, nil, value]
    }
    .kernel(
        ["T": .all], gpu: ["T": .gpuMovable], hostMemory: ["begin", "end", "strides"],
        moving: stridedSliceUpdateKernel
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "begin", "end", "strides", "value", "output"],
        moving: stridedSliceUpdateKernel)
}

@Sendable private func stridedSliceGradKernel(_ request: KernelRequest) throws -> MovingBody {
    let masks = StridedSliceSpec.Masks(request.attributes)
    let dtype = try request.type("T")
    return { context, mover in
        let sizes = context.input(0)
        guard sizes.rank == 1 else {
            throw Status.invalidArgument("shape must be 1-D, got shape.shape = \(sizes.shape)")
        }
        let shape = try shapeFromInput(try sizes.integers("shape"))
        let gradient = context.input(4)
        let spec = try StridedSliceSpec(
            begin: context.input(1), end: context.input(2), strides: context.input(3), input: shape, masks: masks)
        let expected = try spec.shape
        guard gradient.shape == expected else {
            throw Status.invalidArgument("shape of dy was \(gradient.shape) instead of \(expected)")
        }
        let (offset, strides) = spec.layout(in: shape)
        let block = StridedCopy(spec.sliceSizes, to: strides)
        if block.isContiguous, gradient.elementCount == shape.elementCount {
            return context.setOutput(0, gradient.shaped(shape))
        }
        let output = try context.output(0, dtype, shape)
        try mover.clear(output)
        try mover.copy(block, from: gradient, to: output, at: offset)
    }
}

@Sendable private func stridedSliceUpdateKernel(_ request: KernelRequest) throws -> MovingBody {
    let masks = StridedSliceSpec.Masks(request.attributes)
    let dtype = try request.type("T")
    return { context, mover in
        let shape = context.shape(0)
        let value = context.input(4)
        let spec = try StridedSliceSpec(
            begin: context.input(1), end: context.input(2), strides: context.input(3), input: shape, masks: masks)
        let expected = try spec.shape
        // A smaller value is broadcast to the slice's shape. The value must not enlarge the slice.
        let extra = max(0, value.rank - expected.rank)
        guard value.shape.dimensions[..<extra].allSatisfy({ $0 == 1 }),
            let repeated = broadcastStrides(value.shape.dropFirst(extra), to: expected)
        else {
            throw Status.invalidArgument("Cannot broadcast input shape \(value.shape) into final shape \(expected)")
        }
        let output = try mover.outputChanging(0, context, dtype)
        let (offset, strides) = spec.layout(in: shape)
        // The value has the dimensions of the result, the slice those of the input. Both differ only in dimensions of size 1,
        // which are left out.
        let kept = zip(expected.dimensions, repeated).filter { $0.0 != 1 }
        let taken = zip(spec.sliceSizes, strides).filter { $0.0 != 1 }
        try mover.copy(
            StridedCopy(kept.map(\.0), from: kept.map(\.1), to: taken.map(\.1)), from: value, to: output, at: offset)
    }
}
