import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `TensorListScatter`: a list with the rows of a tensor at the given indices.
    static let tensorListScatter = scatteringList(
        "TensorListScatter",
        "(tensor: element_dtype, indices: int32, element_shape: shape_type) -> (output_handle: variant)")
    static let tensorListScatterV2 = scatteringList(
        "TensorListScatterV2",
        "(tensor: element_dtype, indices: int32, element_shape: shape_type, num_elements: int32) "
            + "-> (output_handle: variant)"
    )

    private static func scatteringList(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "element_dtype: type", "shape_type: {int32, int64}")
            .shape { c in c.setList(c.elementShape(2)) }
            .gradient { g in
                let tensor = g.inputs[0]
                let rows = g.op(
                    "TensorListGather", g.gradient(), g.inputs[1], rowShape(g, tensor),
                    attributes: ["element_dtype": .type(tensor.dtype)])
                return [rows] + [Output?](repeating: nil, count: g.inputs.count - 1)
            }
            .cudaAsOnHost()
            .kernel(
                gpu: [:],
                hostMemory: Set(["indices", "element_shape"] + (name.hasSuffix("V2") ? ["num_elements"] : []))
            ) { _ in
                .sync { context in
                    let tensor = context.input(0)
                    let indices = try context.input(1).integers("indices")
                    let count = context.inputCount > 3 ? try context.input(3).integer("num_elements") : -1
                    guard count >= -1 else {
                        throw Status.invalidArgument("TensorListScatter expects num_elements >= -1, found: \(count)")
                    }
                    var list = try newList(of: tensor, try context.partialShape(2))
                    guard indices.count == tensor.dimension(0) else {
                        throw Status.invalidArgument(
                            "Invalid number of rows in input tensor. Expected: \(indices.count) Actual: "
                                + "\(tensor.dimension(0))"
                        )
                    }
                    for index in indices {
                        guard index >= 0 else {
                            throw Status.invalidArgument("Indices in TensorListScatter must all be non-negative.")
                        }
                        guard count == -1 || index < count else {
                            throw Status.invalidArgument(
                                "TensorListScatter: Trying to scatter at index \(index) in list with size \(count)")
                        }
                    }
                    try list.resize(max((indices.max() ?? -1) + 1, count))
                    for (row, index) in indices.enumerated() { list.elements[index] = tensor.row(row) }
                    try context.setOutput(0, list)
                }
            }
    }

    /// `TensorListScatterIntoExistingList`: a list with the rows of a tensor at the given indices, extended if necessary.
    static let tensorListScatterIntoExistingList = OpDefinition(
        "TensorListScatterIntoExistingList",
        "(input_handle: variant, tensor: element_dtype, indices: int32) -> (output_handle: variant)",
        "element_dtype: type"
    )
    .shape { c in
        try c.requireRank(1, atLeast: 1)
        try c.requireRank(2, 1)
        c.setList(c.listElements)
    }
    .gradient { g in
        let (tensor, indices) = (g.inputs[1], g.inputs[2])
        let list = g.gradient()
        let rows = g.op(
            "TensorListGather", list, indices, rowShape(g, tensor), attributes: ["element_dtype": .type(tensor.dtype)])
        return [g.op("TensorListScatterIntoExistingList", list, g.op("ZerosLike", tensor), indices), rows, nil]
    }
    .cudaAsOnHost()
    .kernel(gpu: [:], hostMemory: ["indices"]) { _ in
        .sync { context in
            let tensor = context.input(1)
            let indicesShape = context.shape(2)
            let indices = try context.input(2).integers("indices")
            var list = try context.takeTensorList(0)
            guard tensor.dtype == list.elementDType else {
                throw Status.invalidArgument(
                    "Invalid data types; input tensor type: \(tensor.dtype) list element_type: \(list.elementDType)")
            }
            guard tensor.rank > 0 else {
                throw Status.invalidArgument("Tensor must be at least a vector, but saw shape: \(tensor.shape)")
            }
            guard indicesShape.rank == 1 else {
                throw Status.invalidArgument("Expected indices to be a vector, but received shape: \(indicesShape)")
            }
            guard indices.count == tensor.dimension(0) else {
                throw Status.invalidArgument(
                    "Expected len(indices) == tensor.shape[0], but saw: \(indices.count) vs. \(tensor.dimension(0))")
            }
            if let bad = indices.first(where: { $0 < 0 }) {
                throw Status.invalidArgument("Indices in TensorListScatter must all be non-negative, found \(bad).")
            }
            guard list.elementShape.isCompatible(with: tensor.shape.dropFirst()) else {
                throw Status.invalidArgument(
                    "Specified a list with shape \(list.elementShape) from a tensor with shape "
                        + "\(tensor.shape.dropFirst())"
                )
            }
            try list.resize(max((indices.max() ?? -1) + 1, list.elements.count))
            for (row, index) in indices.enumerated() { list.elements[index] = tensor.row(row) }
            try context.setOutput(0, list)
        }
    }
}
