import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Makes a dense tensor with values at given indices, and a default value elsewhere.
    static let sparseToDense = OpDefinition(
        "SparseToDense",
        "(sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T) -> (dense: T)",
        "validate_indices: bool = true", "T: type", "Tindices: {int32, int64}"
    )
    .shape { c in c.setOutput(0, try c.shapeArgument(1)) }
    .gradient { g in
        let values = g.op("GatherNd", g.gradient(), g.inputs[0])
        let others = g.op(
            "Sub", g.op("Sum", g.gradient(), allAxes(g, g.gradient())), g.op("Sum", values, allAxes(g, values)))
        return [nil, nil, values, others]
    }
    .kernel(
        ["T": [.numericOrBool, DTypeSet(.string, .qint8, .quint8, .qint16, .quint16)]],
        gpu: ["T": [.real, DTypeSet(.bool)]], hostMemory: ["output_shape", "default_value"], make: sparseToDenseKernel
    )
    .cuda(sparseToDenseCUDAKernel)
}

private func allAxes(_ g: GradientContext, _ output: Output) -> Output {
    g.op("Range", g.integer(0), g.op("Rank", output), g.integer(1))
}

@Sendable private func sparseToDenseKernel(_ request: KernelRequest) throws -> Kernel {
    let validates = try request.bool("validate_indices")
    return .sync { context in
        let (indices, values, defaultValue) = (context.input(0), context.input(2), context.input(3))
        let (shape, count, depth) = try densePlan(context)
        let output = try context.output(0, values.dtype, shape)
        output.fillElements(with: defaultValue, in: context.pool)
        // A row without indices names the only element of a scalar. The number of such rows may be huge, so they are not listed.
        guard depth > 0 else {
            if count > 0 { StridedCopy([], from: []).run(from: values, to: output, in: context.pool) }
            return
        }
        let places = try NdIndices(indices, depth: depth, in: shape, .fail) { row, _ in
            .invalidArgument(
                validates
                    ? "indices[\(row)] = \(rowText(indices, row, depth)) is out of bounds: need 0 <= index < \(shape)"
                    : "Indices are not valid (out of bounds).  Shape: \(shape)")
        }
        if validates { try checkOrder(places.slices, indices, depth) }
        let moves = RowCopy(dtype: values.dtype, width: 1)
        let isScalar = values.rank == 0
        moves.runInOrder(count, from: values, to: output) { (isScalar ? 0 : $0, places.slices[$0]) }
    }
}

/// The result's shape, the number of rows of indices, and the number of indices in a row.
private func densePlan(_ context: borrowing KernelContext) throws -> (Shape, count: Int, depth: Int) {
    let (indices, sizes, values, defaultValue) = (context.input(0), context.input(1), context.input(2), context.input(3))
    guard indices.rank <= 2 else {
        throw Status.invalidArgument(
            "sparse_indices should be a scalar, vector, or matrix, got shape \(indices.shape)")
    }
    let count = indices.rank > 0 ? indices.dimension(0) : 1
    let depth = indices.rank > 1 ? indices.dimension(1) : 1
    guard sizes.rank == 1 else {
        throw Status.invalidArgument("output_shape must be rank 1, got shape \(sizes.shape)")
    }
    guard sizes.elementCount == depth else {
        throw Status.invalidArgument(
            "output_shape has incorrect number of elements: \(sizes.elementCount) should be: \(depth)")
    }
    guard values.rank == 0 || (values.rank == 1 && values.elementCount == count) else {
        throw Status.invalidArgument(
            "sparse_values has incorrect shape \(values.shape), should be [] or [\(count)]")
    }
    guard defaultValue.rank == 0 else { throw Status.invalidArgument("default_value should be a scalar.") }
    return (try shapeFromInput(try sizes.integers("output_shape")), count, depth)
}

/// The same on a card, which cannot fail for an index: one out of range is skipped, and their order does not matter.
@Sendable private func sparseToDenseCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let (dtype, device) = (try request.type("T"), try request.cudaDevice())
    let mover = ElementMover.card(try CUDAMover(device))
    let scatter = try CUDAScatter(device, dtype, indices: try request.type("Tindices"), .update)
    return .sync { context in
        let (indices, values) = (context.input(0), context.input(2))
        let (shape, count, depth) = try densePlan(context)
        let output = try context.output(0, dtype, shape)
        try mover.fill(output, with: context.input(3))
        guard depth > 0 else {
            if count > 0 { try mover.copy(StridedCopy([], from: []), from: values, to: output) }
            return
        }
        try scatter.run(indices, depth: depth, values, into: output, single: values.rank == 0)
    }
}

/// Checks that the indices are sorted and unique.
/// - Throws: `invalidArgument` if they are not.
private func checkOrder(_ slices: [Int], _ indices: Tensor, _ depth: Int) throws {
    for row in slices.indices.dropFirst() where slices[row] <= slices[row - 1] {
        let flaw =
            slices[row] == slices[row - 1]
            ? "repeated"
            : "out of order. Many sparse ops require sorted indices.\n"
                + "    Use `tf.sparse.reorder` to create a correctly ordered copy.\n\n"
        throw Status.invalidArgument("indices[\(row)] = \(rowText(indices, row, depth)) is \(flaw)")
    }
}

private func rowText(_ indices: Tensor, _ row: Int, _ depth: Int) -> String {
    "[" + (0..<depth).map { indices.element(row * depth + $0) }.joined(separator: ",") + "]"
}

extension GraphBuilder {
    /// Makes a dense tensor with `values` at `indices`, and `defaultValue` elsewhere (`SparseToDense`).
    public func sparseToDense(indices: Output, shape: Output, values: Output, defaultValue: Output) -> Output {
        add("SparseToDense", [indices, shape, values, defaultValue])[0]
    }
}
