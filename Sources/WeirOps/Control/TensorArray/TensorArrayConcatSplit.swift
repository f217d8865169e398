import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorArrayConcatV3`: concatenates all elements along dimension 0.
    static let tensorArrayConcatV3 = tensorArrayConcat(.third).gradient(tensorArrayConcatGradient)
    static let tensorArrayConcatV2 = tensorArrayConcat(.second)
    static let tensorArrayConcatV1 = tensorArrayConcat(.first)

    private static func tensorArrayConcat(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArrayConcat", version, "(handle: HANDLE, flow_in: float) -> (value: dtype, lengths: int64)",
            "dtype: type", "element_shape_except0: shape = {unknown}"
        )
        .shape { c in
            c.setOutput(
                0, PartialShape.vector(nil).concatenating(c.attributes.shape("element_shape_except0") ?? .unknown))
            c.setOutput(1, .vector(nil))
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "lengths"], make: tensorArrayConcatKernel)
    }

    /// `TensorArraySplitV3`: splits a tensor along dimension 0 and writes the pieces to all elements.
    static let tensorArraySplitV3 = tensorArraySplit(.third).gradient(tensorArraySplitGradient)
    static let tensorArraySplitV2 = tensorArraySplit(.second)
    static let tensorArraySplitV1 = tensorArraySplit(.first)

    private static func tensorArraySplit(_ version: TensorArrayVersion) -> OpDefinition {
        OpDefinition(
            "TensorArraySplit", version,
            "(handle: HANDLE, value: T, lengths: int64, flow_in: float) -> (flow_out: float)", "T: type"
        )
        .shape { c in
            try c.requireRank(2, 1)
            c.setOutput(0, .scalar)
        }
        .cudaAsOnHost()
        .kernel(gpu: [:], hostMemory: ["handle", "lengths"], make: tensorArraySplitKernel)
    }
}

@Sendable private func tensorArrayConcatKernel(_ request: KernelRequest) throws -> Kernel {
    let input = request.tensorArrayInput
    let dtype = try request.type("dtype"), rest = try request.shape("element_shape_except0").validatedSize()
    return .sync { context in
        let array = try input.find(context)
        try array.requireRead(dtype)
        let allocator = context.allocator
        let values = try array.withState { state throws -> [Tensor] in
            try (0..<state.packedCount()).map { try state.read($0, in: allocator) }
        }
        guard let first = values.first else {
            guard let shape = rest.known else {
                throw Status.unimplemented(
                    "TensorArray has size zero, but element_shape_except0 \(rest) is not fully defined. "
                        + "Currently only static shapes are supported when concatenating zero-size TensorArrays.")
            }
            _ = try context.output(0, dtype, try Shape(validating: [0] + shape.dimensions))
            context.setOutput(1, Tensor([Int64]()))
            return
        }
        for (index, value) in values.enumerated() where value.rank == 0 {
            throw Status.invalidArgument(
                "Concat saw a scalar shape at index \(index) but requires at least vectors.  Did you mean to call pack?"
            )
        }
        let row = first.shape.dropFirst()
        guard rest.isCompatible(with: row) else {
            throw Status.invalidArgument(
                "TensorArray was passed element_shape_except0 \(rest) but index 0 has (excepting dimension 0) shape: "
                    + "\(row) which does not match.")
        }
        var total = 0
        for (index, value) in values.enumerated() {
            guard value.shape.dropFirst() == row else {
                throw Status.invalidArgument(
                    "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: \(row) but index "
                        + "\(index) has (excepting dimension 0) shape: \(value.shape.dropFirst())")
            }
            let (sum, overflow) = total.addingReportingOverflow(value.dimension(0))
            guard !overflow else {
                throw Status.invalidArgument(
                    "The sum of the sizes of dimension 0 of the first \(index + 1) elements of the TensorArray is too large")
            }
            total = sum
        }
        let output = try context.output(0, dtype, try Shape(validating: [total] + row.dimensions))
        try TensorConcatenation.fill(output, with: values) { _ in 0 }
        context.setOutput(1, Tensor(values.map { Int64($0.dimension(0)) }))
    }
}

@Sendable private func tensorArraySplitKernel(_ request: KernelRequest) throws -> Kernel {
    let input = request.tensorArrayInput
    let dtype = try request.type("T")
    return .sync { context in
        let array = try input.find(context)
        let value = context.input(1)
        guard context.shape(2).rank == 1 else {
            throw Status.invalidArgument("Expected lengths to be a vector, received shape: \(context.shape(2))")
        }
        let lengths = try context.input(2).integers("lengths")
        guard value.rank > 0 else {
            throw Status.invalidArgument("Expected value to be at least a vector, but received shape: \(value.shape)")
        }
        var total = 0
        for length in lengths {
            guard length >= 0 else { throw Status.invalidArgument("Invalid value in lengths: \(length)") }
            total = total.addingReportingOverflow(length).overflow ? .max : total + length
        }
        guard total == value.dimension(0) else {
            throw Status.invalidArgument(
                "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is \(total) and value's "
                    + "shape "
                    + "is: \(value.shape)")
        }
        try array.requireWritten(dtype)
        try array.withState { state throws in
            try state.requireOpen()
            let size = state.isDynamic ? max(state.count, lengths.count) : state.count
            guard size == lengths.count else {
                throw Status.invalidArgument(
                    "TensorArray's size is not equal to the size of lengths (\(size) vs. \(lengths.count)), and the "
                        + "TensorArray is not marked as dynamically resizeable")
            }
            try state.mark(size)
            var start = 0
            for (index, length) in lengths.enumerated() {
                try state.write(index, value.rows(start..<start + length))
                start += length
            }
        }
        context.setOutput(0, slot: context.slot(3))
    }
}

/// The gradient of a concat splits the gradient into the gradient array.
@Sendable private func tensorArrayConcatGradient(_ g: GradientContext) -> [Output?] {
    let value = g.gradient()
    let array = tensorArrayGradient(g, flow: g.inputs[1], source: value)
    return [nil, g.op("TensorArraySplitV3", array.handle, value, g.outputs[1], array.flow)]
}

/// The gradient of a split concatenates the gradient array.
@Sendable private func tensorArraySplitGradient(_ g: GradientContext) -> [Output?] {
    guard let flow = g.gradients[0] else { return [nil, nil, nil, nil] }
    let array = tensorArrayGradient(g, flow: flow, source: flow)
    let value = g.op("TensorArrayConcatV3", array.handle, array.flow, attributes: ["dtype": .type(g.inputs[1].dtype)])
    return [nil, value, nil, flow]
}
