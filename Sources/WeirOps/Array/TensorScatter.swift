import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that update a tensor at places that rows of indices name. They write to the input's memory if no other tensor shares it.

extension OpDefinition {
    static let tensorScatterUpdate = OpDefinition(
        "TensorScatterUpdate", "(tensor: T, indices: Tindices, updates: T) -> (output: T)", "T: type",
        "Tindices: {int16, int32, int64, uint16}", "bad_indices_policy: string = ''"
    )
    .shape(tensorScatterShape)
    .gradient { g in
        let indices = g.inputs[1]
        return [
            g.op("TensorScatterUpdate", g.gradient(), indices, g.op("ZerosLike", g.inputs[2])), nil,
            g.op("GatherNd", g.gradient(), indices),
        ]
    }
    .kernel(
        ["T": .all], gpu: ["T": [.complex, DTypeSet(.float32, .float64, .int64)]], make: tensorScatterKernel(.update)
    )
    .cuda(tensorScatterCUDAKernel(.update))
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["tensor", "indices", "updates", "output"],
        make: tensorScatterKernel(.update))

    static let tensorScatterAdd = tensorScatterOp("TensorScatterAdd", .sum, .numeric) { g in
        [g.gradient(), nil, g.op("GatherNd", g.gradient(), g.inputs[1])]
    }
    static let tensorScatterSub = tensorScatterOp("TensorScatterSub", .difference, .numeric) { g in
        [g.gradient(), nil, g.op("Neg", g.op("GatherNd", g.gradient(), g.inputs[1]))]
    }
    static let tensorScatterMin = tensorScatterOp("TensorScatterMin", .minimum, .real, minMaxGradient)
    static let tensorScatterMax = tensorScatterOp("TensorScatterMax", .maximum, .real, minMaxGradient)

    private static func tensorScatterOp(
        _ name: String, _ kind: ScatterKind, _ types: DTypeSet, _ gradient: @escaping OpDefinition.Gradient
    ) -> OpDefinition {
        let gpu: DTypeSet = DTypeSet(.float32, .float64, .int64)
        return OpDefinition(
            name, "(tensor: T, indices: Tindices, updates: T) -> (output: T)", "T: type", "Tindices: {int32, int64}",
            "bad_indices_policy: string = ''"
        )
        .shape(tensorScatterShape)
        .gradient(gradient)
        .kernel(
            ["T": types], gpu: ["T": types.contains(.complex64) ? [gpu, .complex] : gpu],
            make: tensorScatterKernel(kind)
        )
        .cuda(tensorScatterCUDAKernel(kind))
        .kernel(
            ["T": .int32], gpu: ["T": .int32], hostMemory: ["tensor", "indices", "updates", "output"],
            make: tensorScatterKernel(kind))
    }
}

/// Computes the gradient of `TensorScatterMin` and `TensorScatterMax`. It flows to the elements that equal the result; the tensor
/// and the updates share it equally on a tie.
@Sendable private func minMaxGradient(_ g: GradientContext) -> [Output?] {
    let (tensor, indices, updates) = (g.inputs[0], g.inputs[1], g.inputs[2])
    let (result, dtype) = (g.outputs[0], g.outputs[0].dtype)
    // As in TensorFlow, only this gradient ignores the indices that the op ignores. The others of TensorScatter and ScatterNd
    // fail for them on a CPU.
    let policy = Attributes(g.attributes["bad_indices_policy"].map { ["bad_indices_policy": $0] } ?? [:])
    let winner = g.op("GatherNd", result, indices, attributes: policy)
    let updateWins = g.cast(g.op("Equal", updates, winner), to: dtype)
    let tensorWins = g.cast(g.op("Equal", result, tensor), to: dtype)
    let winners = g.op("TensorScatterAdd", tensorWins, indices, updateWins, attributes: policy)
    let share = g.op("RealDiv", g.gradient(), g.op("Maximum", winners, g.op("OnesLike", winners)))
    return [
        g.op("Mul", tensorWins, share), nil,
        g.op("Mul", updateWins, g.op("GatherNd", share, indices, attributes: policy)),
    ]
}

@Sendable private func tensorScatterShape(_ c: inout ShapeContext) throws {
    try checkScatterShapes(c.input(1), c.input(2), c.input(0))
    c.setOutput(0, c.input(0))
}

/// The ways in which a scatter op combines updates with the old elements.
enum ScatterKind {
    case update, sum, difference, minimum, maximum
}

/// A function that combines updates with the elements of a target at the given places.
typealias ScatterCombiner = @Sendable (NdIndices, _ updates: Tensor, _ target: Tensor) throws -> Void

/// Returns the loop for a kind of combination and for the dtype in attribute `T`.
func scatterCombiner(_ kind: ScatterKind, _ request: KernelRequest) throws -> ScatterCombiner {
    let dtype = try request.type("T")
    switch kind {
    case .update: return { places, updates, target in places.move(updates, into: target) }
    case .sum where dtype == .bool: return { $0.combine(ScatterLogicalOr.self, $1, into: $2) }
    case .sum where dtype == .string:
        return { places, updates, target in
            try MemoryBudget.take(updates.textSize)
            places.combine(ScatterStringConcat.self, updates, into: target)
        }
    case .sum, .difference:
        switch dtype {
        case .complex64: return arithmetic(Complex64.self, kind)
        case .complex128: return arithmetic(Complex128.self, kind)
        default: break
        }
    case .minimum, .maximum: break
    }
    switch dtype {
    case .float32: return ordered(Float.self, kind)
    case .float64: return ordered(Double.self, kind)
    case .float16: return ordered(Float16.self, kind)
    case .bfloat16: return ordered(BFloat16.self, kind)
    case .int8: return ordered(Int8.self, kind)
    case .int16: return ordered(Int16.self, kind)
    case .int32: return ordered(Int32.self, kind)
    case .int64: return ordered(Int64.self, kind)
    case .uint8: return ordered(UInt8.self, kind)
    case .uint16: return ordered(UInt16.self, kind)
    case .uint32: return ordered(UInt32.self, kind)
    case .uint64: return ordered(UInt64.self, kind)
    default: throw request.unsupportedType("T")
    }
}

private func arithmetic<E: NumericElement>(_ type: E.Type, _ kind: ScatterKind) -> ScatterCombiner {
    if kind == .difference {
        return { places, updates, target in places.combine(ScatterDifference<E>.self, updates, into: target) }
    }
    return { places, updates, target in places.combine(ScatterSum<E>.self, updates, into: target) }
}

private func ordered<E: RealElement>(_ type: E.Type, _ kind: ScatterKind) -> ScatterCombiner {
    switch kind {
    case .minimum: return { $0.combine(ScatterMinimum<E>.self, $1, into: $2) }
    case .maximum: return { $0.combine(ScatterMaximum<E>.self, $1, into: $2) }
    default: return arithmetic(type, kind)
    }
}

private func checkTensorScatter(_ shape: Shape, _ indices: Shape, _ updates: Shape) throws {
    try checkScatter(shape, indices, updates)
    let outer = indices.rank - 1
    guard updates.rank >= outer, (0..<outer).allSatisfy({ indices[$0] == updates[$0] }) else {
        throw Status.invalidArgument(
            "Outer dimensions of indices and update must match. Indices shape: \(indices), updates shape:\(updates)")
    }
    let depth = indices[outer]
    guard depth <= shape.rank, updates.rank - outer == shape.rank - depth else {
        throw Status.invalidArgument(
            "Inner dimensions of output shape must match inner dimensions of updates shape. Output: \(shape) "
                + "updates: \(updates)")
    }
    guard updates.dimensions[outer...] == shape.dimensions[depth...] else {
        throw Status.invalidArgument(
            "The inner \(shape.rank - depth) dimensions of output.shape=\(shape) must match the inner "
                + "\(updates.rank - outer) dimensions of updates.shape=\(updates)")
    }
}

func tensorScatterKernel(_ kind: ScatterKind) -> KernelFactory.Make {
    { request in
        let policy = try NdIndices.Policy(request)
        let combine = try scatterCombiner(kind, request)
        let dtype = try request.type("T")
        let isStrict = request.op.name != "ScatterNdNonAliasingAdd"
        return .sync { context in
            let shape = context.shape(0)
            if isStrict { try checkTensorScatter(shape, context.shape(1), context.shape(2)) }
            let places = try NdIndices(scattering: context.input(1), context.input(2), into: shape, policy)
            let updates = context.input(2)
            let source = context.input(0).firstByte
            let output = try context.output(0, dtype, shape, reusing: 0)
            if output.firstByte != source { output.copyElements(from: context.input(0)) }
            try combine(places, updates, output)
        }
    }
}

/// The same on a card, which skips indices out of range.
func tensorScatterCUDAKernel(_ kind: ScatterKind) -> KernelFactory.Make {
    { request in
        try NdIndices.requireIgnored(request)
        let dtype = try request.type("T")
        let device = try request.cudaDevice()
        let mover = ElementMover.card(try CUDAMover(device))
        let scatter = try CUDAScatter(device, dtype, indices: try request.type("Tindices"), CUDAScatterKind(kind))
        let isStrict = request.op.name != "ScatterNdNonAliasingAdd"
        return .sync { context in
            let shape = context.shape(0)
            let (indices, updates) = (context.input(1), context.input(2))
            if isStrict { try checkTensorScatter(shape, indices.shape, updates.shape) }
            try NdIndices.checkScatter(indices, updates, shape)
            try scatter.run(indices, updates, into: try mover.outputChanging(0, context, dtype))
        }
    }
}

extension Output {
    /// Replaces elements or slices of this tensor. Each row of `indices` names one (`TensorScatterUpdate`).
    public func tensorScatterUpdate(_ updates: Output, at indices: Output) -> Output {
        builder.add("TensorScatterUpdate", [self, indices, updates])[0]
    }
    /// Adds to elements or slices of this tensor. Each row of `indices` names one (`TensorScatterAdd`).
    public func tensorScatterAdd(_ updates: Output, at indices: Output) -> Output {
        builder.add("TensorScatterAdd", [self, indices, updates])[0]
    }
}
