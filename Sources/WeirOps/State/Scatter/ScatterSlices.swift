import WeirGraph
import WeirKernels
import WeirTensor

// Scatter ops that update slices of a variable, each selected by an index vector along the first dimensions.

extension OpDefinition {
    /// `ScatterNdUpdate`: replaces slices.
    static let scatterNdUpdate = referenceScatterNd(
        "ScatterNdUpdate", "T: type", locking: "true", types: [.numeric, DTypeSet(.bool, .string)], cuda: .assign
    ) { try $0.movable("T", AssigningScatter(kernel: $1)) }
    /// `ScatterNdAdd`: adds to slices.
    static let scatterNdAdd = referenceScatterNd("ScatterNdAdd", cuda: .add) {
        try $0.numeric("T", ArithmeticScatter<RowAddition>(kernel: $1))
    }
    /// `ScatterNdSub`: subtracts from slices.
    static let scatterNdSub = referenceScatterNd("ScatterNdSub", cuda: .subtract) {
        try $0.numeric("T", ArithmeticScatter<RowSubtraction>(kernel: $1))
    }
    /// `ScatterNdMin`: takes the elementwise minimum.
    static let scatterNdMin = referenceScatterNd("ScatterNdMin", types: .real, gpu: StateTypes.gpuUpdate, cuda: .least) {
        try $0.real("T", OrderedScatter<RowMinimum>(kernel: $1))
    }
    /// `ScatterNdMax`: takes the elementwise maximum.
    static let scatterNdMax = referenceScatterNd("ScatterNdMax", types: .real, gpu: StateTypes.gpuUpdate, cuda: .greatest) {
        try $0.real("T", OrderedScatter<RowMaximum>(kernel: $1))
    }

    /// `ResourceScatterNdUpdate`: replaces slices.
    static let resourceScatterNdUpdate = handleScatterNd(
        "ResourceScatterNdUpdate", [.numeric, DTypeSet(.bool, .string)], cuda: .assign
    ) { try $0.movable("T", AssigningScatter(kernel: $1)) }
    /// `ResourceScatterNdAdd`: adds to slices.
    static let resourceScatterNdAdd = handleScatterNd("ResourceScatterNdAdd", cuda: .add) {
        try $0.numeric("T", ArithmeticScatter<RowAddition>(kernel: $1))
    }
    /// `ResourceScatterNdSub`: subtracts from slices.
    static let resourceScatterNdSub = handleScatterNd("ResourceScatterNdSub", cuda: .subtract) {
        try $0.numeric("T", ArithmeticScatter<RowSubtraction>(kernel: $1))
    }
    /// `ResourceScatterNdMin`: takes the elementwise minimum.
    static let resourceScatterNdMin = handleScatterNd("ResourceScatterNdMin", .real, gpu: StateTypes.gpuUpdate, cuda: .least) {
        try $0.real("T", OrderedScatter<RowMinimum>(kernel: $1))
    }
    /// `ResourceScatterNdMax`: takes the elementwise maximum.
    static let resourceScatterNdMax = handleScatterNd("ResourceScatterNdMax", .real, gpu: StateTypes.gpuUpdate, cuda: .greatest) {
        try $0.real("T", OrderedScatter<RowMaximum>(kernel: $1))
    }
}

/// Makes the kernel for the dtype of a node.
private typealias ScatterNdMaker = @Sendable (KernelRequest, @escaping ScatterKernel) throws -> Kernel

private let gpuSlices: DTypeSet = [StateTypes.gpuUpdate, .complex]

private func referenceScatterNd(
    _ name: String, _ type: String = "T: \(StateTypes.numbers)", locking: String = "false",
    types: DTypeSet = .numeric, gpu: DTypeSet = gpuSlices, cuda rule: CUDAUpdateRule,
    make: @escaping ScatterNdMaker
) -> OpDefinition {
    OpDefinition(
        name, "(ref: Ref(T), indices: Tindices, updates: T) -> (output_ref: Ref(T))", type, "Tindices: {int32, int64}",
        "use_locking: bool = \(locking)", "bad_indices_policy: string = ''"
    )
    .resourceForm("Resource\(name)")
    .shape { c in c.setOutput(0, c.input(0)) }
    .noGradient()
    .kernel(["T": types, "Tindices": .index], gpu: ["T": gpu, "Tindices": .index]) { request in
        try make(request, scatterSlicesKernel(request))
    }
    .cuda { request in try cudaScatterSlicesKernel(request, rule) }
}

private func handleScatterNd(
    _ name: String, _ types: DTypeSet = .numeric, gpu: DTypeSet = gpuSlices, cuda rule: CUDAUpdateRule,
    make: @escaping ScatterNdMaker
) -> OpDefinition {
    OpDefinition(
        name, "(ref: resource, indices: Tindices, updates: T) -> ()", "T: type", "Tindices: {int32, int64}",
        "use_locking: bool = true", "bad_indices_policy: string = ''"
    )
    .stateful()
    .variable(.update)
    .shape { c in _ = try StateShapes.variable(c, attribute: "T") }
    .noGradient()
    .kernel(["T": types, "Tindices": .index], gpu: ["T": gpu, "Tindices": .index], hostMemory: ["ref"]) { request in
        try make(request, scatterSlicesKernel(request))
    }
    .cuda { request in try cudaScatterSlicesKernel(request, rule) }
}

private func scatterSlicesKernel(_ request: KernelRequest) throws -> ScatterKernel {
    let (variable, dtype) = (VariableInput(request), try request.type("T"))
    let policy = try badIndicesPolicy(request)
    return { action in
        .sync { context in
            let cell = try variable.cell(context, dtype)
            let (indices, updates) = (context.input(1), context.input(2))
            let pool = context.pool
            try cell.modify { target in
                let depth = try requireSlices(target.shape, indices.shape, updates.shape)
                if updates.elementCount == 0 { return }
                let rows = try RowIndices(
                    slices: indices, depth: depth, in: target.shape, skipsOutOfRange: policy == "IGNORE"
                ) { place, index in
                    let index = index.map(String.init).joined(separator: ", ")
                    return .invalidArgument("indices\(place) = [\(index)] does not index into shape \(target.shape)")
                }
                try action(target, updates, rows, pool)
            }
            variable.passOn(context)
        }
    }
}

private func badIndicesPolicy(_ request: KernelRequest) throws -> String {
    let policy = try request.string("bad_indices_policy")
    guard ["", "DEFAULT", "ERROR", "IGNORE"].contains(policy) else {
        throw Status.invalidArgument("Unknown bad indices handling attribute: \(policy)")
    }
    return policy
}

/// A card cannot fail for an index: it skips the update, whatever the policy.
private func cudaScatterSlicesKernel(_ request: KernelRequest, _ rule: CUDAUpdateRule) throws -> Kernel {
    let (variable, dtype) = (VariableInput(request), try request.type("T"))
    _ = try badIndicesPolicy(request)
    let program = try CUDAUpdate(request, "T", rule)
    return .sync { context in
        let (indices, updates) = (context.input(1), context.input(2))
        try variable.cell(context, dtype).modify { target in
            let depth = try requireSlices(target.shape, indices.shape, updates.shape)
            if updates.elementCount == 0 { return }
            let slices = CUDASlices(sizes: Array(target.shape.dimensions.prefix(depth)), width: target.shape.width(after: depth))
            try program.run([target], updates, indices, slices)
        }
        variable.passOn(context)
    }
}

/// Checks that the shapes of variable, indices and updates match.
/// - Returns: the length of an index vector.
private func requireSlices(_ variable: Shape, _ indices: Shape, _ updates: Shape) throws -> Int {
    guard variable.rank > 0 else {
        throw Status.invalidArgument("Output must be at least 1-D, got shape: \(variable)")
    }
    let (slots, found, given) = (variable.elementCount, indices.elementCount, updates.elementCount)
    guard (found == 0 && given == 0) || (slots != 0 && found != 0 && given != 0) else {
        throw Status.invalidArgument("Indices and updates specified for empty output.  indices shape: \(indices)")
    }
    let depth = indices.rank > 1 ? indices[indices.rank - 1] : 1
    let batch = indices.rank > 1 ? indices.rank - 1 : 1
    let (first, firstUpdate) = (indices.rank > 0 ? indices[0] : 1, updates.rank > 0 ? updates[0] : 1)
    guard indices.rank > 0, updates.rank > 0, first == firstUpdate else {
        throw Status.invalidArgument(
            "Dimensions [0,1) of indices[shape=\(indices)] = \(first) must match dimensions [0,1) of "
                + "updates[shape=\(updates)] = \(firstUpdate)")
    }
    guard updates.rank >= batch, updates.dimensions.prefix(batch) == indices.dimensions.prefix(batch) else {
        throw Status.invalidArgument(
            "Dimensions [0,\(batch)) of indices[shape=\(indices)] must match dimensions [0,\(batch)) of "
                + "updates[shape=\(updates)]")
    }
    guard depth <= variable.rank, updates.dimensions.dropFirst(batch) == variable.dimensions.dropFirst(depth) else {
        throw Status.invalidArgument(
            "Dimensions [\(depth),\(variable.rank)) of input[shape=\(variable)] must match dimensions "
                + "[\(batch),\(updates.rank)) of updates[shape=\(updates)]")
    }
    return depth
}
