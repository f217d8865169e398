import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Adds updates to zeros of a given shape. Each row of indices names the element or slice to update.
    static let scatterNd = OpDefinition(
        "ScatterNd", "(indices: Tindices, updates: T, shape: Tindices) -> (output: T)", "T: type",
        "Tindices: {int16, int32, int64}", "bad_indices_policy: string = ''"
    )
    .shape { c in
        let shape = try c.shapeArgument(2)
        try checkScatterShapes(c.input(0), c.input(1), shape)
        c.setOutput(0, shape)
    }
    .gradient { g in [nil, g.op("GatherNd", g.gradient(), g.inputs[0]), nil] }
    .kernel(
        ["T": [.numericOrBool, DTypeSet(.string)]], gpu: ["T": .numeric.subtracting(.int32)], hostMemory: ["shape"],
        make: scatterNdKernel
    )
    .cuda { request in
        try NdIndices.requireIgnored(request)
        let dtype = try request.type("T")
        let device = try request.cudaDevice()
        let scatter = try CUDAScatter(device, dtype, indices: try request.type("Tindices"), .sum)
        return .sync { context in
            let (indices, updates) = (context.input(0), context.input(1))
            let shape = try scatterNdShape(context)
            try NdIndices.checkScatter(indices, updates, shape)
            let output = try context.output(0, dtype, shape)
            try device.fill(output)
            try scatter.run(indices, updates, into: output)
        }
    }
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["indices", "updates", "shape", "output"], make: scatterNdKernel)

    /// Adds updates to a tensor. Each row of indices names the element or slice to update.
    static let scatterNdNonAliasingAdd = OpDefinition(
        "ScatterNdNonAliasingAdd", "(input: T, indices: Tindices, updates: T) -> (output: T)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "
            + "qint16, quint16, uint16, complex128, half, uint32, uint64, bool}",
        "Tindices: {int32, int64}", "bad_indices_policy: string = ''"
    )
    .shape { c in
        try checkScatterShapes(c.input(1), c.input(2), c.input(0))
        c.setOutput(0, c.input(0))
    }
    .gradient { g in [g.gradient(), nil, g.op("GatherNd", g.gradient(), g.inputs[1])] }
    .kernel(["T": .numericOrBool], gpu: ["T": .numeric.subtracting(.int32)], make: tensorScatterKernel(.sum))
    .cuda(tensorScatterCUDAKernel(.sum))
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "indices", "updates", "output"],
        make: tensorScatterKernel(.sum))
}

/// Checks that the known dimensions of indices, updates and the updated tensor fit together.
/// - Throws: `invalidArgument` if they do not.
func checkScatterShapes(_ indices: PartialShape, _ updates: PartialShape, _ shape: PartialShape) throws {
    guard let indexRank = indices.rank, indexRank > 0, let depth = indices[-1], let rank = shape.rank else { return }
    guard let updateDimensions = updates.dimensions, let indexDimensions = indices.dimensions,
        let dimensions = shape.dimensions
    else { return }
    let outer = indexRank - 1
    let count = updateDimensions.count
    /// Checks that dimensions `mine` of one shape equal dimensions `theirs` of the updates.
    func match(_ what: String, _ mine: ArraySlice<Int?>, _ start: Int, _ theirs: ArraySlice<Int?>) throws {
        let (a, b) = (PartialShape(Array(mine)), PartialShape(Array(theirs)))
        do {
            _ = try a.merging(b)
        } catch {
            throw Status.invalidArgument(
                "\(what) = \(a) must match dimensions [\(start),\(start + theirs.count)) of "
                    + "updates[shape=\(updates)] = \(b): \(error.message)")
        }
    }
    try match(
        "Dimensions [0,\(outer)) of indices[shape=\(indices)]", indexDimensions[..<outer], 0,
        updateDimensions[..<min(outer, count)])
    guard depth <= rank else {
        throw Status.invalidArgument(
            "The innermost dimension of indices, \(depth), is larger than the rank of the output, \(rank)")
    }
    try match(
        "Dimensions [\(depth),\(rank)) of input[shape=\(shape)]", dimensions[depth...], outer,
        updateDimensions[min(outer, count)...])
}

/// Checks the ranks and element counts of indices and updates. The other dimensions are compared later.
/// - Throws: `invalidArgument` if they are wrong.
func checkScatter(_ shape: Shape, _ indices: Shape, _ updates: Shape) throws {
    guard indices.rank > 0 else {
        throw Status.invalidArgument("Indices shape must have rank at least one. Found:\(indices)")
    }
    guard updates.rank > 0 else {
        throw Status.invalidArgument("Updates shape must have rank at least one. Found:\(updates)")
    }
    guard NdIndices.elementCountsFit(shape, indices, updates) else {
        throw Status.invalidArgument("Indices and updates specified for empty output shape")
    }
}

@Sendable private func scatterNdKernel(_ request: KernelRequest) throws -> Kernel {
    let policy = try NdIndices.Policy(request)
    let combine = try scatterCombiner(.sum, request)
    let dtype = try request.type("T")
    return .sync { context in
        let (indices, updates) = (context.input(0), context.input(1))
        let shape = try scatterNdShape(context)
        let places = try NdIndices(scattering: indices, updates, into: shape, policy)
        let output = try context.output(0, dtype, shape)
        output.clearElements()
        try combine(places, updates, output)
    }
}

/// The shape of the result, after the check of the inputs' shapes.
private func scatterNdShape(_ context: borrowing KernelContext) throws -> Shape {
    let (indices, updates, sizes) = (context.input(0), context.input(1), context.input(2))
    guard sizes.rank == 1 else { throw Status.invalidArgument("Shape must be a vector") }
    let shape = try shapeFromInput(try sizes.integers("shape"))
    try checkScatter(shape, indices.shape, updates.shape)
    let outer = indices.rank - 1
    for axis in 0..<outer where axis >= updates.rank || indices.dimension(axis) != updates.dimension(axis) {
        throw Status.invalidArgument(
            "Dimensions [0,\(outer)) of indices[shape=\(indices.shape)] must match dimensions [0,\(outer)) of "
                + "updates[shape=\(updates.shape)]")
    }
    let depth = indices.dimension(outer)
    guard depth <= shape.rank, Array(updates.shape.dimensions[outer...]) == Array(shape.dimensions[depth...]) else {
        throw Status.invalidArgument(
            "Dimensions [\(depth),\(shape.rank)) of input[shape=\(shape)] must match dimensions "
                + "[\(outer),\(updates.rank)) of updates[shape=\(updates.shape)]")
    }
    return shape
}

extension GraphBuilder {
    /// Adds updates to zeros of a given shape. Each row of `indices` names the element or slice to update (`ScatterNd`).
    public func scatterNd(indices: Output, updates: Output, shape: Output) -> Output {
        add("ScatterNd", [indices, updates, shape])[0]
    }
}
