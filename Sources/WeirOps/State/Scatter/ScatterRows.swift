public import WeirGraph
import WeirKernels
import WeirTensor

// Scatter ops that update rows of a variable, selected by their index along dimension 0.

extension OpDefinition {
    /// `ScatterUpdate`: replaces rows.
    static let scatterUpdate = referenceScatter(
        "ScatterUpdate", ["T: type", "Tindices: {int32, int64}", "use_locking: bool = true"], .all, cuda: .assign
    ) { try $0.movable("T", AssigningScatter(kernel: $1)) }
    /// `ScatterAdd`: adds to rows.
    static let scatterAdd = referenceScatter("ScatterAdd", arithmetic, cuda: .add) {
        try $0.numeric("T", ArithmeticScatter<RowAddition>(kernel: $1))
    }
    /// `ScatterSub`: subtracts from rows.
    static let scatterSub = referenceScatter("ScatterSub", arithmetic, cuda: .subtract) {
        try $0.numeric("T", ArithmeticScatter<RowSubtraction>(kernel: $1))
    }
    /// `ScatterMul`: multiplies rows.
    static let scatterMul = referenceScatter("ScatterMul", arithmetic, cuda: .multiply) {
        try $0.numeric("T", ArithmeticScatter<RowMultiplication>(kernel: $1))
    }
    /// `ScatterDiv`: divides rows.
    static let scatterDiv = referenceScatter("ScatterDiv", arithmetic, cuda: .divide) {
        try $0.numeric("T", ArithmeticScatter<RowDivision>(kernel: $1))
    }
    /// `ScatterMin`: takes the elementwise minimum.
    static let scatterMin = referenceScatter("ScatterMin", ordered, .real, cuda: .least) {
        try $0.real("T", OrderedScatter<RowMinimum>(kernel: $1))
    }
    /// `ScatterMax`: takes the elementwise maximum.
    static let scatterMax = referenceScatter("ScatterMax", ordered, .real, cuda: .greatest) {
        try $0.real("T", OrderedScatter<RowMaximum>(kernel: $1))
    }

    /// `ResourceScatterUpdate`: replaces rows.
    static let resourceScatterUpdate = handleScatter(
        "ResourceScatterUpdate", "dtype: type", types: .all, gpu: [StateTypes.gpuUpdate, DTypeSet(.bool)], cuda: .assign
    ) { try $0.movable("dtype", AssigningScatter(kernel: $1)) }
    /// `ResourceScatterAdd`: adds to rows.
    static let resourceScatterAdd = handleScatter("ResourceScatterAdd", cuda: .add) {
        try $0.numeric("dtype", ArithmeticScatter<RowAddition>(kernel: $1))
    }
    /// `ResourceScatterSub`: subtracts from rows.
    static let resourceScatterSub = handleScatter("ResourceScatterSub", cuda: .subtract) {
        try $0.numeric("dtype", ArithmeticScatter<RowSubtraction>(kernel: $1))
    }
    /// `ResourceScatterMul`: multiplies rows.
    static let resourceScatterMul = handleScatter("ResourceScatterMul", cuda: .multiply) {
        try $0.numeric("dtype", ArithmeticScatter<RowMultiplication>(kernel: $1))
    }
    /// `ResourceScatterDiv`: divides rows.
    static let resourceScatterDiv = handleScatter("ResourceScatterDiv", cuda: .divide) {
        try $0.numeric("dtype", ArithmeticScatter<RowDivision>(kernel: $1))
    }
    /// `ResourceScatterMin`: takes the elementwise minimum.
    static let resourceScatterMin = handleScatter("ResourceScatterMin", types: .real, cuda: .least) {
        try $0.real("dtype", OrderedScatter<RowMinimum>(kernel: $1))
    }
    /// `ResourceScatterMax`: takes the elementwise maximum.
    static let resourceScatterMax = handleScatter("ResourceScatterMax", types: .real, cuda: .greatest) {
        try $0.real("dtype", OrderedScatter<RowMaximum>(kernel: $1))
    }
}

/// Makes the kernel for the dtype of a node.
private typealias ScatterMaker = @Sendable (KernelRequest, @escaping ScatterKernel) throws -> Kernel

private let arithmetic = ["T: \(StateTypes.numbers)", "Tindices: {int32, int64}", "use_locking: bool = false"]
private let ordered = [
    "T: {half, bfloat16, float, double, int32, int64}", "Tindices: {int32, int64}", "use_locking: bool = false",
]

private func referenceScatter(
    _ name: String, _ attributes: [String], _ types: DTypeSet = .numeric, cuda rule: CUDAUpdateRule,
    make: @escaping ScatterMaker
) -> OpDefinition {
    OpDefinition(
        name, "(ref: Ref(T), indices: Tindices, updates: T) -> (output_ref: Ref(T))", attributes: attributes
    )
    .resourceForm("Resource\(name)")
    .shape { c in
        try requireUpdates(c, c.input(0))
        c.setOutput(0, c.input(0))
    }
    .noGradient()
    .kernel(["T": types, "Tindices": .index], gpu: ["T": .floating, "Tindices": .index]) { request in
        try make(request, scatterRowsKernel(request, "T", requirePrefix: false))
    }
    .cuda { request in try cudaScatterRowsKernel(request, "T", rule, requirePrefix: false) }
}

private func handleScatter(
    _ name: String, _ type: String = "dtype: \(StateTypes.numbers)", types: DTypeSet = .numeric,
    gpu: DTypeSet = StateTypes.gpuUpdate, cuda rule: CUDAUpdateRule,
    make: @escaping ScatterMaker
) -> OpDefinition {
    OpDefinition(
        name, "(resource: resource, indices: Tindices, updates: dtype) -> ()", type, "Tindices: {int32, int64}"
    )
    .stateful()
    .variable(.update)
    .shape { c in try requireUpdates(c, StateShapes.variable(c)) }
    .noGradient()
    .kernel(
        ["dtype": types, "Tindices": .index], gpu: ["dtype": gpu, "Tindices": .index], hostMemory: ["resource"]
    ) { request in try make(request, scatterRowsKernel(request, "dtype", requirePrefix: true)) }
    .cuda { request in try cudaScatterRowsKernel(request, "dtype", rule, requirePrefix: true) }
}

private func requireUpdates(_ c: ShapeContext, _ variable: PartialShape) throws {
    guard variable.rank != nil, c.input(2).rank != 0 else { return }
    _ = try c.input(2).merging(c.input(1).concatenating(variable.dropFirst()))
}

/// - Parameter requirePrefix: whether to check first that the shape of the indices is a prefix of that of the updates, as
///   TensorFlow's resource ops do.
private func scatterRowsKernel(
    _ request: KernelRequest, _ attribute: String, requirePrefix: Bool
) throws -> ScatterKernel {
    let (variable, dtype) = (VariableInput(request), try request.type(attribute))
    return { action in
        .sync { context in
            let cell = try variable.cell(context, dtype)
            let (indices, updates) = (context.input(1), context.input(2))
            let pool = context.pool
            try cell.modify { target in
                try requireRows(target.shape, indices.shape, updates.shape, requirePrefix)
                let rows = try RowIndices(indices, count: target.dimension(0), width: target.shape.width(after: 1))
                if !rows.rows.isEmpty { try action(target, updates, rows, pool) }
            }
            variable.passOn(context)
        }
    }
}

private func cudaScatterRowsKernel(
    _ request: KernelRequest, _ attribute: String, _ rule: CUDAUpdateRule, requirePrefix: Bool
) throws -> Kernel {
    let (variable, dtype) = (VariableInput(request), try request.type(attribute))
    let program = try CUDAUpdate(request, attribute, rule)
    return .sync { context in
        let (indices, updates) = (context.input(1), context.input(2))
        try variable.cell(context, dtype).modify { target in
            try requireRows(target.shape, indices.shape, updates.shape, requirePrefix)
            let slices = CUDASlices(sizes: [target.dimension(0)], width: target.shape.width(after: 1))
            try program.run([target], updates, indices, slices)
        }
        variable.passOn(context)
    }
}

private func requireRows(_ variable: Shape, _ indices: Shape, _ updates: Shape, _ requirePrefix: Bool) throws {
    guard variable.rank > 0 else {
        throw Status.invalidArgument("params must be at least 1-D, got shape \(variable)")
    }
    if updates.rank == 0 { return }
    if requirePrefix, !updates.dimensions.starts(with: indices.dimensions) {
        throw Status.invalidArgument(
            "The shape of indices (\(indices)) must be a prefix of the shape of updates (\(updates))")
    }
    guard updates.dimensions == indices.dimensions + variable.dimensions.dropFirst() else {
        throw Status.invalidArgument(
            "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got "
                + "updates.shape \(updates), indices.shape \(indices), params.shape \(variable)")
    }
}

extension Output {
    /// Replaces rows of the variable of this reference or handle.
    @discardableResult
    public func scatterUpdate(_ indices: Output, _ updates: Output) -> Operation { scatter("Update", indices, updates) }
    /// Adds to rows of the variable of this reference or handle.
    @discardableResult
    public func scatterAdd(_ indices: Output, _ updates: Output) -> Operation { scatter("Add", indices, updates) }
    /// Subtracts from rows of the variable of this reference or handle.
    @discardableResult
    public func scatterSub(_ indices: Output, _ updates: Output) -> Operation { scatter("Sub", indices, updates) }

    private func scatter(_ kind: String, _ indices: Output, _ updates: Output) -> Operation {
        builder.add((isReference ? "Scatter" : "ResourceScatter") + kind, [self, indices, updates])
    }
}
