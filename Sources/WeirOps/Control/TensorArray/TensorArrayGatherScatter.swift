import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorArrayGatherV3`: a tensor whose rows are the elements at some indices.
    static let tensorArrayGatherV3 = tensorArrayGather(.third).gradient(tensorArrayGatherGradient)
    static let tensorArrayGatherV2 = tensorArrayGather(.second)
    static let tensorArrayGatherV1 = tensorArrayGather(.first)
    /// `TensorArrayPack`: a tensor whose rows are all elements.
    static let tensorArrayPack = OpDefinition(
        "TensorArrayPack", .first, "(handle: HANDLE, flow_in: float) -> (value: dtype)", "dtype: type",
        "element_shape: shape = {unknown}"
    )
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle"], make: tensorArrayGatherKernel)

    private static func tensorArrayGather(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArrayGather", version, "(handle: HANDLE, indices: int32, flow_in: float) -> (value: dtype)",
            "dtype: type", "element_shape: shape = {unknown}"
        )
        .shape { c in
            try c.requireRank(1, 1)
            let element = version == .third ? c.handle(0)?.shape : nil
            c.setOutput(
                0,
                PartialShape.vector(c.input(1)[0]).concatenating(
                    element ?? c.attributes.shape("element_shape") ?? .unknown))
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "indices"], make: tensorArrayGatherKernel)
    }

    /// `TensorArrayScatterV3`: writes the rows of a tensor to the elements at some indices.
    static let tensorArrayScatterV3 = tensorArrayScatter(.third).gradient(tensorArrayScatterGradient)
    static let tensorArrayScatterV2 = tensorArrayScatter(.second)
    static let tensorArrayScatterV1 = tensorArrayScatter(.first)
    /// `TensorArrayUnpack`: writes the rows of a tensor to all elements.
    static let tensorArrayUnpack = OpDefinition(
        "TensorArrayUnpack", .first, "(handle: HANDLE, value: T, flow_in: float) -> (flow_out: float)", "T: type"
    )
    .shape(ShapeFunctions.scalar)
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["handle"], make: tensorArrayScatterKernel)

    private static func tensorArrayScatter(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArrayScatter", version,
            "(handle: HANDLE, indices: int32, value: T, flow_in: float) -> (flow_out: float)", "T: type"
        )
        .shape { c in
            try c.requireRank(1, 1)
            c.setOutput(0, .scalar)
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "indices"], make: tensorArrayScatterKernel)
    }
}

@Sendable private func tensorArrayGatherKernel(_ request: KernelRequest) throws -> Kernel {
    let input = request.tensorArrayInput
    let dtype = try request.type("dtype"), elementShape = try request.shape("element_shape").validatedSize()
    let takesAll = request.inputTypes.count == 2
    return .sync { context in
        let array = try input.find(context)
        try array.requireRead(dtype)
        let count = try array.withState { state throws -> Int in
            try state.requireOpen()
            try state.refine(elementShape)
            return takesAll ? try state.packedCount() : 0
        }
        let indices: [Int]
        if takesAll {
            indices = Array(0..<count)
        } else {
            guard context.shape(1).rank == 1 else {
                throw Status.invalidArgument("Expected indices to be a vector, but received shape: \(context.shape(1))")
            }
            indices = try context.input(1).integers("indices")
        }
        guard !indices.isEmpty else {
            guard let shape = elementShape.known else {
                throw Status.unimplemented(
                    "TensorArray has size zero, but element shape \(elementShape) is not fully defined. "
                        + "Currently only static shapes are supported when packing zero-size TensorArrays.")
            }
            _ = try context.output(0, dtype, try Shape(validating: [0] + shape.dimensions))
            return
        }
        let allocator = context.allocator
        let values = try array.withState { state throws -> [Tensor] in
            try indices.map { try state.read($0, in: allocator) }
        }
        let first = values[0].shape
        guard elementShape.isCompatible(with: first) else {
            throw Status.invalidArgument(
                "TensorArray was passed element_shape \(elementShape) which does not match the Tensor at index 0: "
                    + "\(first)"
            )
        }
        for (index, value) in values.enumerated() where value.shape != first {
            throw Status.invalidArgument(
                "TensorArray has inconsistent shapes.  Index 0 has shape: \(first) but index \(index) has shape: "
                    + "\(value.shape)"
            )
        }
        let output = try context.output(0, dtype, try Shape(validating: [values.count] + first.dimensions))
        try TensorConcatenation.fill(output, with: values) { _ in 0 }
    }
}

@Sendable private func tensorArrayScatterKernel(_ request: KernelRequest) throws -> Kernel {
    let input = request.tensorArrayInput
    let dtype = try request.type("T")
    let givesAll = request.inputTypes.count == 3
    return .sync { context in
        let value = context.input(givesAll ? 1 : 2)
        let array = try input.find(context)
        try array.requireWritten(dtype)
        guard value.rank > 0 else {
            throw Status.invalidArgument(
                "Input value for unpack must be at least a vector but received shape: \(value.shape)")
        }
        let rows = value.dimension(0)
        let indices: [Int]
        if givesAll {
            guard rows <= TensorArrayState.maximumIndex else {
                throw Status.resourceExhausted("A TensorArray has at most \(TensorArrayState.maximumIndex) elements, found \(rows)")
            }
            indices = Array(0..<rows)
        } else {
            guard context.shape(1).rank == 1 else {
                throw Status.invalidArgument("Expected indices to be a vector, but received shape: \(context.shape(1))")
            }
            indices = try context.input(1).integers("indices")
            guard indices.count == rows else {
                throw Status.invalidArgument(
                    "Expected len(indices) == values.shape[0], but saw: \(indices.count) vs. \(rows)")
            }
        }
        try array.withState { state throws in
            try state.requireOpen()
            let highest = indices.max() ?? -1
            if !state.isDynamic {
                guard !givesAll || rows == state.count else {
                    throw Status.invalidArgument(
                        "Input value must have first dimension equal to the array size (\(rows) vs. \(state.count))")
                }
                guard highest < state.count else {
                    throw Status.invalidArgument(
                        "Max scatter index must be < array size (\(highest) vs. \(state.count))")
                }
            }
            if givesAll { try state.mark(rows) }
            for (row, index) in indices.enumerated() { try state.write(index, value.row(row)) }
        }
        context.setOutput(0, slot: context.slot(givesAll ? 2 : 3))
    }
}

/// The gradient of a gather scatters the gradient into the gradient array.
@Sendable private func tensorArrayGatherGradient(_ g: GradientContext) -> [Output?] {
    let value = g.gradient()
    let array = tensorArrayGradient(g, flow: g.inputs[2], source: value)
    return [nil, nil, g.op("TensorArrayScatterV3", array.handle, g.inputs[1], value, array.flow)]
}

/// The gradient of a scatter gathers from the gradient array.
@Sendable private func tensorArrayScatterGradient(_ g: GradientContext) -> [Output?] {
    guard let flow = g.gradients[0] else { return [nil, nil, nil, nil] }
    let array = tensorArrayGradient(g, flow: flow, source: flow)
    let value = g.op(
        "TensorArrayGatherV3", array.handle, g.inputs[1], array.flow,
        attributes: ["dtype": .type(g.inputs[2].dtype), "element_shape": .shape(g.inputs[2].shape.dropFirst())])
    return [nil, nil, value, flow]
}
