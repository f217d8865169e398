import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Permutes the dimensions of a tensor.
    static let transpose = OpDefinition(
        "Transpose", "(x: T, perm: Tperm) -> (y: T)", "T: type", "Tperm: {int32, int64} = int32"
    )
    .shape(transposeShape)
    .sharding { c in
        guard let rank = c.input(0).rank, let order = c.integers(1), order.count == rank else { return nil }
        let labels = ShardingContext.labels(rank)
        let axes = order.compactMap { ShardingContext.axis($0, rank: rank) }
        return axes.count == rank ? ShardingRule(inputs: [labels, []], outputs: [axes.map { labels[$0] }]).linear() : nil
    }
    .simplified(.repeated { inner, outer in areInverse(inner, outer) ? .nothing : nil })
    .gradient { g in
        [g.op("Transpose", g.gradient(), g.op("InvertPermutation", g.inputs[1])), nil]
    }
    .kernel(["T": .unquantized], gpu: ["T": .numericOrBool], hostMemory: ["perm"], moving: { _ in transposeKernel })

    /// Like `Transpose`, but conjugates complex elements.
    static let conjugateTranspose = OpDefinition(
        "ConjugateTranspose", "(x: T, perm: Tperm) -> (y: T)", "T: type", "Tperm: {int32, int64} = int32"
    )
    .shape(transposeShape)
    .sharding { c in
        guard let rank = c.input(0).rank, let order = c.integers(1), order.count == rank else { return nil }
        let labels = ShardingContext.labels(rank)
        let axes = order.compactMap { ShardingContext.axis($0, rank: rank) }
        return axes.count == rank ? ShardingRule(inputs: [labels, []], outputs: [axes.map { labels[$0] }]).linear() : nil
    }
    .gradient { g in
        [g.op("ConjugateTranspose", g.gradient(), g.op("InvertPermutation", g.inputs[1])), nil]
    }
    .kernel(["T": .unquantized], gpu: ["T": .numericOrBool], hostMemory: ["perm"]) { request in
        let type = try request.type("T")
        return type.isComplex ? conjugateTransposeKernel(type) : .moving(transposeKernel)
    }
    .cuda { request in
        let (type, device) = (try request.type("T"), try request.cudaDevice())
        let mover = ElementMover.card(try CUDAMover(device))
        guard type.isComplex else { return .sync { context in try transposeKernel(context, mover) } }
        let module = try request.cudaModule("Conjugate", ["T": try request.cudaType("T")], conjugation)
        return .sync { context in
            let input = context.input(0)
            let (shape, block) = try transposition(context)
            let output = try context.output(0, type, shape)
            try mover.copy(block, from: input, to: output)
            try device.launch(module.function("conjugate"), over: output.elementCount, [.elements(output), .int(output.elementCount)])
        }
    }
}

/// Returns whether one permutation is the inverse of the other.
private func areInverse(_ inner: Tensor, _ outer: Tensor) -> Bool {
    guard let before = try? inner.integers(), let after = try? outer.integers(), before.count == after.count else { return false }
    return after.indices.allSatisfy { before.indices.contains(after[$0]) && before[after[$0]] == $0 }
}

@Sendable private func transposeShape(_ c: inout ShapeContext) throws {
    let order = c.integers(1)
    let (inputRank, orderCount) = (c.input(0).rank, c.input(1).elementCount)
    guard let rank = inputRank ?? orderCount ?? order?.count else { return }
    if inputRank == nil, rank < 2 { return }
    guard rank <= Shape.maximumRank else { throw Status.invalidArgument("Too many dimensions: \(rank)") }
    try c.requireRank(1, 1)
    if let orderCount, orderCount != rank {
        throw Status.invalidArgument("Dimension must be \(rank) but is \(orderCount)")
    }
    guard let order else { return c.setOutput(0, .ofRank(rank)) }
    c.setOutput(
        0,
        PartialShape(
            try order.map { entry in
                guard let axis = nonNegativeAxis(entry, rank: rank) else {
                    throw Status.invalidArgument("perm dim \(entry) is out of range of input rank \(rank)")
                }
                return c.input(0)[axis]
            }))
}

/// The result's shape, and the copy that makes it.
private func transposition(_ context: borrowing KernelContext) throws -> (Shape, StridedCopy) {
    let input = context.input(0)
    let order = try permutation(context.input(1), rank: input.rank)
    let shape = try Shape(validating: order.map { input.shape[$0] })
    let strides = StridedCopy.strides(of: input.shape.dimensions)
    return (shape, StridedCopy(shape.dimensions, from: order.map { strides[$0] }))
}

private let transposeKernel: MovingBody = { context, mover in
    let (shape, block) = try transposition(context)
    try mover.setOutput(0, shape, block, of: context.input(0), at: 0, context)
}

private func conjugateTransposeKernel(_ type: DType) -> Kernel {
    .sync { context in
        let (shape, block) = try transposition(context)
        let output = try context.output(0, type, shape)
        block.run(from: context.input(0), to: output, in: context.pool)
        if type == .complex64 { conjugate(Complex64.self, output) } else { conjugate(Complex128.self, output) }
    }
}

private let conjugation = """
    KERNEL conjugate(T* x, int64 count) { for (int64 i = first(); i < count; i += stride()) x[i].im = -x[i].im; }
    """

private func conjugate<P>(_ type: Complex<P>.Type, _ tensor: Tensor) {
    let elements = tensor.mutableElements(type)
    for index in elements.indices { elements[index].imaginary.negate() }
}

/// Reads a permutation of the dimensions.
/// - Throws: `invalidArgument` unless it names each dimension once.
private func permutation(_ tensor: Tensor, rank: Int) throws -> [Int] {
    guard tensor.rank == 1 else { throw Status.invalidArgument("perm must be rank 1, got shape \(tensor.shape)") }
    guard tensor.elementCount == rank else {
        throw Status.invalidArgument(
            "transpose expects a vector of size \(rank). But input(1) is a vector of size \(tensor.elementCount)")
    }
    var seen = [Bool](repeating: false, count: rank)
    let order = try tensor.integers("perm").map { entry in
        guard let axis = nonNegativeAxis(entry, rank: rank) else {
            throw Status.invalidArgument("\(entry < 0 ? entry &+ rank : entry) is out of range [0 .. \(rank))")
        }
        seen[axis] = true
        return axis
    }
    if let missing = seen.firstIndex(of: false) {
        let list = order.map(String.init).joined(separator: ",")
        throw Status.invalidArgument("\(missing) is missing from {\(list)}.")
    }
    return order
}

extension Output {
    /// Permutes the dimensions: dimension i of the result is dimension `permutation[i]` of this tensor (`Transpose`).
    public func transposed(permutation: [Int]) -> Output {
        builder.add("Transpose", [self, builder.constant(Tensor(permutation.map { Int64($0) }))])[0]
    }
    /// Reverses the order of the dimensions: for a matrix, its transpose. The rank must be known.
    public func transposed() -> Output {
        guard let rank = shape.rank else {
            builder.record(
                .invalidArgument("'\(name)' cannot be transposed without a permutation: its rank is unknown"))
            return self
        }
        return transposed(permutation: Array((0..<rank).reversed()))
    }
}
