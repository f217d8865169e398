import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorListStack`: a tensor whose rows are all elements.
    static let tensorListStack = OpDefinition(
        "TensorListStack", "(input_handle: variant, element_shape: int32) -> (tensor: element_dtype)",
        "element_dtype: type", "num_elements: int = -1"
    )
    .shape { c in
        let count = c.attributes.int("num_elements").flatMap { $0 < 0 ? nil : $0 }
        c.setOutput(0, PartialShape.vector(count).concatenating(try c.listElements.merging(c.elementShape(1))))
    }
    .gradient { g in
        let tensor = g.gradient()
        let list = g.op("TensorListFromTensor", tensor, rowShape(g, tensor))
        return [list, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape"]) { request in
        let dtype = try request.type("element_dtype"), expected = try request.int("num_elements")
        return .sync { context in
            let list = try context.tensorList(0)
            try list.requireElements(dtype)
            guard expected == -1 || list.elements.count == expected else {
                throw Status.invalidArgument(
                    "Operation expected a list with \(expected) elements but got a list with \(list.elements.count) "
                        + "elements."
                )
            }
            var shape = try list.elementShape(merging: try context.partialShape(1), usingElements: false)
            guard shape.isFullyKnown || !list.elements.isEmpty else {
                throw Status.invalidArgument(
                    "Tried to stack elements of an empty list with non-fully-defined element_shape: \(shape)")
            }
            shape = try list.elementShape(merging: shape, usingElements: true)
            guard let known = shape.known else {
                throw Status.invalidArgument(
                    "Tried to stack list which only contains uninitialized tensors and has a non-fully-defined "
                        + "element_shape: \(shape)")
            }
            try stackRows(list.elements, known, dtype, context)
        }
    }

    /// `TensorListGather`: a tensor whose rows are the elements at some indices.
    static let tensorListGather = OpDefinition(
        "TensorListGather", "(input_handle: variant, indices: int32, element_shape: int32) -> (values: element_dtype)",
        "element_dtype: type"
    )
    .shape { c in c.setOutput(0, c.input(1).concatenating(try c.listElements.merging(c.elementShape(2)))) }
    .gradient { g in
        let values = g.gradient()
        let empty = g.op(
            "TensorListReserve",
            g.op("TensorListElementShape", g.inputs[0], attributes: ["shape_type": .type(.int64)]),
            g.op("TensorListLength", g.inputs[0]), attributes: ["element_dtype": .type(values.dtype)])
        return [g.op("TensorListScatterIntoExistingList", empty, values, g.inputs[1]), nil, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["indices", "element_shape"]) { request in
        let dtype = try request.type("element_dtype")
        return .sync { context in
            let list = try context.tensorList(0)
            try list.requireElements(dtype)
            let indices = try context.input(1).integers("indices")
            var shape = try list.elementShape(merging: try context.partialShape(2), usingElements: false)
            guard shape.isFullyKnown || !indices.isEmpty else {
                throw Status.invalidArgument(
                    "Tried to gather 0-elements from a list with non-fully-defined shape: \(shape)")
            }
            for index in indices where !list.elements.indices.contains(index) {
                throw Status.invalidArgument(
                    "Trying to gather element \(index) in a list with \(list.elements.count) elements.")
            }
            let rows = indices.map { list.elements[$0] }
            shape = try list.elementShape(merging: shape, usingElements: true, rows)
            guard let known = shape.known else {
                throw Status.invalidArgument(
                    "Tried to gather uninitialized tensors from a list with non-fully-defined element_shape: \(shape)")
            }
            try stackRows(rows, known, dtype, context)
        }
    }

    /// `TensorListFromTensor`: a list of the rows of a tensor.
    static let tensorListFromTensor = OpDefinition(
        "TensorListFromTensor", "(tensor: element_dtype, element_shape: shape_type) -> (output_handle: variant)",
        "element_dtype: type", "shape_type: {int32, int64}"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        _ = try c.input(0).dropFirst().merging(c.elementShape(1))
        c.setList(c.elementShape(1))
    }
    .gradient { g in
        let tensor = g.inputs[0]
        let rows = g.op(
            "TensorListStack", g.gradient(), rowShape(g, tensor),
            attributes: ["element_dtype": .type(tensor.dtype), "num_elements": .int(tensor.shape[0] ?? -1)])
        return [rows, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["element_shape"]) { _ in
        .sync { context in
            guard context.shape(1).rank <= 1 else {
                throw Status.invalidArgument(
                    "TensorListFromTensor: element_shape must be at most rank 1 but has the shape of "
                        + "\(context.shape(1))"
                )
            }
            let tensor = context.input(0)
            var list = try newList(of: tensor, try context.partialShape(1))
            try TensorList.requireCount(tensor.dimension(0))
            list.elements = (0..<tensor.dimension(0)).map { tensor.row($0) }
            try context.setOutput(0, list)
        }
    }
}

/// Makes an empty list whose elements are to be rows of `tensor`.
/// - Throws: `invalidArgument` when `tensor` is a scalar, or its rows do not match `elementShape`.
func newList(of tensor: Tensor, _ elementShape: PartialShape) throws(Status) -> TensorList {
    guard tensor.rank > 0 else {
        throw .invalidArgument("Tensor must be at least a vector, but saw shape: \(tensor.shape)")
    }
    guard elementShape.isCompatible(with: tensor.shape.dropFirst()) else {
        throw .invalidArgument(
            "Specified a list with shape \(elementShape) from a tensor with shape \(tensor.shape.dropFirst())")
    }
    return TensorList(elementDType: tensor.dtype, elementShape: elementShape)
}

private func stackRows(_ rows: [Tensor?], _ shape: Shape, _ dtype: DType, _ context: borrowing KernelContext) throws {
    // The elements of a list from `TensorListSplit` may differ from the list's element shape in dimension 0.
    for (index, row) in rows.enumerated() where row.map({ $0.shape != shape }) ?? false {
        throw Status.invalidArgument(
            "Element \(index) has the shape \(row?.shape ?? shape), and cannot be stacked with others of the shape \(shape)")
    }
    let output = try context.output(0, dtype, try Shape(validating: [rows.count] + shape.dimensions))
    try TensorConcatenation.fill(output, with: rows) { _ in shape.elementCount }
}

/// Returns the shape of a row of `tensor`: a constant if it is known. It is an int64 vector if a dimension does not fit in an
/// int32.
func rowShape(_ g: GradientContext, _ tensor: Output) -> Output {
    if let known = tensor.shape.dropFirst().known?.dimensions {
        let isNarrow = known.allSatisfy { Int32(exactly: $0) != nil }
        return isNarrow ? g.constant(known) : g.constant(Tensor(known.map { Int64($0) }))
    }
    return g.op("Slice", g.op("Shape", tensor), g.constant([1]), g.constant([-1]))
}
