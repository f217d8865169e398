import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorListConcat`: the concatenation of all elements along dimension 0, and the length of each.
    static let tensorListConcat = OpDefinition(
        "TensorListConcat", "(input_handle: variant) -> (tensor: element_dtype, lengths: int64)", "element_dtype: type",
        "element_shape: shape = {unknown}"
    )
    .shape { c in
        let element = try c.listElements.merging(c.attributes.shape("element_shape") ?? .unknown)
        c.setOutput(0, element.replacing(0, with: nil))
        c.setOutput(1, .vector(nil))
    }
    .gradient { g in [tensorListConcatGradient(g)] }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["lengths"], make: tensorListConcatKernel)

    static let tensorListConcatV2 = OpDefinition(
        "TensorListConcatV2",
        "(input_handle: variant, element_shape: shape_type, leading_dims: int64) "
            + "-> (tensor: element_dtype, lengths: int64)",
        "element_dtype: type", "shape_type: {int32, int64}"
    )
    .shape { c in
        c.setOutput(0, try c.listElements.merging(c.elementShape(1)).replacing(0, with: nil))
        c.setOutput(1, .vector(nil))
    }
    .gradient { g in [tensorListConcatGradient(g), nil, nil] }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape", "leading_dims", "lengths"], make: tensorListConcatKernel)

    /// `TensorListSplit`: splits a tensor along dimension 0 and makes a list of the pieces.
    static let tensorListSplit = OpDefinition(
        "TensorListSplit",
        "(tensor: element_dtype, element_shape: shape_type, lengths: int64) -> (output_handle: variant)",
        "element_dtype: type", "shape_type: {int32, int64}"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        try c.requireRank(2, 1)
        c.setList(c.elementShape(1))
    }
    .gradient { g in
        let tensor = g.inputs[0]
        let row = rowShape(g, tensor)
        let open = row.dtype == .int64 ? g.constant(Tensor([Int64(-1)])) : g.constant([-1])
        let shape = g.op("ConcatV2", open, row, g.constant(Tensor(Int32(0))))
        let whole = g.op(
            "TensorListConcatV2", g.gradient(), shape, g.inputs[2], attributes: ["element_dtype": .type(tensor.dtype)])
        return [whole, nil, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape", "lengths"]) { _ in
        .sync { context in
            let tensor = context.input(0), lengthsTensor = context.input(2)
            let shape = try context.partialShape(1)
            guard shape.rank != 0 else {
                throw Status.invalidArgument(
                    "TensorListSplit requires element_shape to be at least of rank 1, but saw: \(shape)")
            }
            guard tensor.rank > 0 else {
                throw Status.invalidArgument("Tensor must be at least a vector, but saw shape: \(tensor.shape)")
            }
            guard shape.dropFirst().isCompatible(with: tensor.shape.dropFirst()) else {
                throw Status.invalidArgument(
                    "tensor shape \(tensor.shape) is not compatible with element_shape \(shape)")
            }
            guard lengthsTensor.rank == 1 else {
                throw Status.invalidArgument("Expected lengths to be a vector, received shape: \(lengthsTensor.shape)")
            }
            var list = TensorList(elementDType: tensor.dtype, elementShape: shape)
            var start = 0
            for length in try lengthsTensor.integers("lengths") {
                guard length >= 0 else { throw Status.invalidArgument("Invalid value in lengths: \(length)") }
                let (end, overflow) = start.addingReportingOverflow(length)
                guard !overflow, end <= tensor.dimension(0) else {
                    throw Status.invalidArgument(
                        "Attempting to slice [\(start), \(end)] from tensor with length \(tensor.dimension(0))")
                }
                list.elements.append(tensor.rows(start..<end))
                start = end
            }
            guard start == tensor.dimension(0) else {
                throw Status.invalidArgument(
                    "Unused values in tensor. Length of tensor: \(tensor.dimension(0)) Values used: \(start)")
            }
            try context.setOutput(0, list)
        }
    }
}

private func tensorListConcatGradient(_ g: GradientContext) -> Output {
    let shape = g.op("TensorListElementShape", g.inputs[0], attributes: ["shape_type": .type(.int64)])
    return g.op("TensorListSplit", g.gradient(), shape, g.outputs[1])
}

@Sendable private func tensorListConcatKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("element_dtype")
    let attribute = try request.attributes.shape("element_shape")?.validatedSize() ?? .unknown
    let isSecond = request.inputTypes.count > 1
    return .sync { context in
        let list = try context.tensorList(0)
        try list.requireElements(dtype)
        let given = isSecond ? try context.input(2).integers("leading_dims") : []
        var element = attribute
        if isSecond { element = try list.elementShape(merging: try context.partialShape(1), usingElements: false) }
        guard element.rank != 0 else {
            throw Status.invalidArgument("Concat requires elements to be at least vectors, found scalars instead.")
        }
        var length = isSecond ? element[0] : nil
        var row = element.dropFirst()
        guard !list.elements.isEmpty || row.isFullyKnown else {
            throw Status.invalidArgument(
                "All except the first dimension must be fully defined when concating an empty tensor list. "
                    + "element_shape: \(row)"
            )
        }
        try settle(list, &length, &row)
        guard let known = row.known else {
            throw Status.invalidArgument(
                "Trying to concat list with only uninitialized tensors but element_shape_except_first_dim is not fully "
                    + "defined: \(row)")
        }
        var lengths: [Int] = []
        var total = 0
        for (index, tensor) in list.elements.enumerated() {
            let count: Int
            if let tensor {
                count = tensor.dimension(0)
            } else if index < given.count {
                count = given[index]
            } else if let length {
                count = length
            } else {
                throw Status.invalidArgument(
                    isSecond
                        ? "List contains uninitialized tensor at index \(index) but leading_dims has only "
                            + "\(given.count) elements."
                        : "Concating lists with uninitialized tensors is not supported in this version of "
                            + "TensorListConcat. "
                            + "Consider updating your GraphDef to run the newer version.")
            }
            guard count >= 0, !total.addingReportingOverflow(count).overflow else {
                throw Status.invalidArgument("Invalid length \(count) of list element \(index)")
            }
            total += count
            lengths.append(count)
        }
        let output = try context.output(0, dtype, try Shape(validating: [total] + known.dimensions))
        try TensorConcatenation.fill(output, with: list.elements) { lengths[$0] * known.elementCount }
        context.setOutput(1, Tensor(lengths.map { Int64($0) }))
    }
}

/// Infers the length and the row shape of unwritten elements from the written ones. The length stays nil if theirs differ.
private func settle(_ list: TensorList, _ length: inout Int?, _ row: inout PartialShape) throws {
    var common: Int?
    var isCommon = true
    for (index, tensor) in list.elements.enumerated() {
        guard let tensor else { continue }
        guard tensor.rank > 0 else {
            throw Status.invalidArgument("Concat saw a scalar shape at index \(index) but requires at least vectors.")
        }
        row = try row.mergedInList(PartialShape(tensor.shape.dropFirst()))
        if let length, length != tensor.dimension(0) {
            throw Status.invalidArgument(
                "First entry of element_shape input does not match the first dim of list element at index: \(index) "
                    + "Expected: \(length) Actual: \(tensor.dimension(0))")
        }
        if let common, common != tensor.dimension(0) { isCommon = false }
        common = tensor.dimension(0)
    }
    if length == nil, isCommon { length = common }
}
