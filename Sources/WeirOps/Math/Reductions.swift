public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The sum along axes.
    static let sum = reduction("Sum", numericTypes, cpu: .numeric, gpu: [.floatingOrComplex, .index], ReduceLoops.sum, cuda: .sum)
        .sharding(ShardingRule.reduction(.sum))
        .gradient { g in [ReductionGradient(g).broadcastToInput(g.gradient()), nil] }

    /// The product along axes.
    static let prod = reduction("Prod", numericTypes, cpu: .numeric, gpu: [.floatingOrComplex, .index], ReduceLoops.product, cuda: .product)
        .gradient { g in [ReductionGradient(g).ofProduct(), nil] }
        .knownValue { c in
            guard let value = c.integers(0), value.shape.rank == 1, c.integers(1)?.values.count == 1 else { return nil }
            let known = value.values.compactMap { $0 }
            return known.count == value.values.count ? c.result([known.reduce(1, &*)], c.outputShape.known ?? .scalar) : nil
        }

    /// The mean along axes.
    static let mean = reduction("Mean", numericTypes, cpu: .numeric, gpu: .floatingOrComplex, ReduceLoops.mean, cuda: .mean)
        .sharding(ShardingRule.reduction(.mean))
        .gradient { g in [ReductionGradient(g).ofMean(), nil] }

    // Not named `max` and `min`, which would hide Swift's functions of these names in this extension.

    /// The maximum along axes.
    static let maxOp = reduction("Max", orderedTypes, cpu: .real, gpu: [.floating, .index], ReduceLoops.greatest, cuda: .greatest)
        .gradient { g in [ReductionGradient(g).ofMaxOrMin(), nil] }

    /// The minimum along axes.
    static let minOp = reduction("Min", orderedTypes, cpu: .real, gpu: [.floating, .index], ReduceLoops.least, cuda: .least)
        .gradient { g in [ReductionGradient(g).ofMaxOrMin(), nil] }

    /// The Euclidean norm along axes: the square root of the sum of squares.
    static let euclideanNorm = reduction(
        "EuclideanNorm", numericTypes, cpu: .numeric, gpu: .floatingOrComplex, isIdentityForSingleElement: false, ReduceLoops.norm,
        cuda: CUDAReducer(
            accumulator: "typename Real<C>::type", zero: "0", accumulate: "a + squared(x)", merge: "a + b", finish: "sqrt(a)",
            declarations: """
                template <class N> DEVICE N squared(N x) { return x * x; }
                template <class N> DEVICE N squared(Complex<N> x) { return norm(x); }

                """)
    )
    .gradient { g in [ReductionGradient(g).ofNorm(), nil] }

    /// Whether all elements are true along axes.
    static let all = logicalReduction("All", ReduceLoops(AllReducer.self), cuda: .all)
    /// Whether any element is true along axes.
    static let any = logicalReduction("Any", ReduceLoops(AnyReducer.self), cuda: .any)

    private static let signature = "(input: T, reduction_indices: Tidx) -> (output: T)"
    private static let numericTypes =
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
        + "uint16, complex128, half, uint32, uint64}"
    private static let orderedTypes =
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, qint8, quint8, qint32, "
        + "qint16, quint16}"
    private static let axisTypes = "Tidx: {int32, int64} = int32"

    /// - Parameter isIdentityForSingleElement: whether the reduction of a single element is that element.
    private static func reduction(
        _ name: String, _ types: String, cpu: DTypeSet, gpu: DTypeSet, isIdentityForSingleElement: Bool = true,
        _ loops: @escaping @Sendable (DType) -> ReduceLoops?, cuda reducer: CUDAReducer
    ) -> OpDefinition {
        let make: KernelFactory.Make = { request in
            guard let loops = loops(try request.type("T")) else { throw request.unsupportedType("T") }
            return reductionKernel(
                loops, try request.type("T"), keepDimensions: try request.bool("keep_dims"), isIdentityForSingleElement: isIdentityForSingleElement)
        }
        let int32 = DTypeSet(.int32)
        let definition = OpDefinition(name, signature, "keep_dims: bool = false", types, axisTypes)
            .shape(ShapeFunctions.reduction)
            .sharding(ShardingRule.reduction(.other))
            .kernel(["T": cpu], gpu: ["T": gpu.subtracting(int32)], hostMemory: ["reduction_indices"], make: make)
            .kernel(["T": []], gpu: ["T": gpu.intersection(int32)], hostMemory: ["input", "output", "reduction_indices"], make: make)
            .cuda { request in
                try cudaReductionKernel(
                    request, reducer, try request.type("T"), keepDimensions: try request.bool("keep_dims"),
                    isIdentityForSingleElement: isIdentityForSingleElement)
            }
        return isIdentityForSingleElement ? definition.simplified(.unchangedFor(input: 1) { axes in axes.elementCount == 0 }) : definition
    }

    private static func logicalReduction(_ name: String, _ loops: ReduceLoops, cuda reducer: CUDAReducer) -> OpDefinition {
        OpDefinition(
            name, "(input: bool, reduction_indices: Tidx) -> (output: bool)", "keep_dims: bool = false", axisTypes
        )
        .simplified(.unchangedFor(input: 1) { axes in axes.elementCount == 0 })
        .shape(ShapeFunctions.reduction)
        .sharding(ShardingRule.reduction(.other))
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["reduction_indices"]) { request in
            reductionKernel(loops, .bool, keepDimensions: try request.bool("keep_dims"), isIdentityForSingleElement: true)
        }
        .cuda { request in
            try cudaReductionKernel(request, reducer, .bool, keepDimensions: try request.bool("keep_dims"), isIdentityForSingleElement: true)
        }
    }
}

/// The reduction of a tensor of a shape along axes.
private struct ReductionPlan {
    let reduction: Reduction
    let result: Shape

    init(_ shape: Shape, _ axes: Tensor, keepDimensions: Bool) throws {
        let isReduced = try reducedDimensions(axes, of: shape)
        var sizes: [Int] = []
        for axis in 0..<shape.rank {
            if !isReduced[axis] { sizes.append(shape[axis]) } else if keepDimensions { sizes.append(1) }
        }
        result = try Shape(validating: sizes)
        reduction = Reduction(shape, isReduced)
    }
    /// Passes the input on when each result is one of its elements.
    func passes(_ context: borrowing KernelContext) -> Bool {
        guard reduction.isTrivial else { return false }
        let input = context.input(0)
        context.setOutput(0, input.shape == result ? input : input.reshaped(result))
        return true
    }
}

private func reductionKernel(_ loops: ReduceLoops, _ dtype: DType, keepDimensions: Bool, isIdentityForSingleElement: Bool) -> Kernel {
    .sync { context in
        let plan = try ReductionPlan(context.shape(0), context.input(1), keepDimensions: keepDimensions)
        if isIdentityForSingleElement, plan.passes(context) { return }
        let x = context.firstByte(0)
        let out = try context.output(0, dtype, plan.result).mutableFirstByte
        try plan.reduction.run(loops, x, out, on: context.pool)
    }
}

private func cudaReductionKernel(
    _ request: KernelRequest, _ reducer: CUDAReducer, _ dtype: DType, keepDimensions: Bool, isIdentityForSingleElement: Bool
) throws -> Kernel {
    let program = try CUDAReduction(request.cudaDevice(), request.op.name, dtype, dtype, reducer)
    return .sync { context in
        let plan = try ReductionPlan(context.shape(0), context.input(1), keepDimensions: keepDimensions)
        if isIdentityForSingleElement, plan.passes(context) { return }
        let input = context.input(0)
        try program.run(plan.reduction, input, try context.output(0, dtype, plan.result))
    }
}

/// Returns for each dimension whether it is reduced.
/// - Throws: `invalidArgument` when an axis is out of range, or two axes are the same.
func reducedDimensions(_ axes: Tensor, of shape: Shape) throws -> [Bool] {
    var isReduced = [Bool](repeating: false, count: shape.rank)
    for axis in try axes.integers("reduction_indices") {
        guard axis >= -shape.rank, axis < shape.rank else {
            throw Status.invalidArgument(
                "Invalid reduction dimension (\(axis) for input with \(shape.rank) dimension(s)")
        }
        let index = axis < 0 ? axis + shape.rank : axis
        guard !isReduced[index] else {
            throw Status.invalidArgument("Invalid reduction arguments: Axes contains duplicate dimension: \(index)")
        }
        isReduced[index] = true
    }
    return isReduced
}

extension Output {
    /// Returns the sum along axes; nil means all axes, and negative axes count from the last (Sum).
    public func sum(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Sum", axes, keepDimensions) }
    /// Returns the mean along axes; nil means all axes (Mean).
    public func mean(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Mean", axes, keepDimensions) }
    /// Returns the product along axes; nil means all axes (Prod).
    public func product(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Prod", axes, keepDimensions) }
    /// Returns the maximum along axes; nil means all axes (Max).
    public func max(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Max", axes, keepDimensions) }
    /// Returns the minimum along axes; nil means all axes (Min).
    public func min(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Min", axes, keepDimensions) }
    /// Returns whether all elements are true along axes; nil means all axes (All).
    public func all(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("All", axes, keepDimensions) }
    /// Returns whether any element is true along axes; nil means all axes (Any).
    public func any(axes: [Int]? = nil, keepDimensions: Bool = false) -> Output { reduced("Any", axes, keepDimensions) }

    private func reduced(_ op: String, _ axes: [Int]?, _ keepDimensions: Bool) -> Output {
        let which: Output
        if let axes {
            which = builder.int32(axes, "axes")
        } else if let rank = shape.rank {
            which = builder.constant(Tensor((0..<rank).map { Int32($0) }))
        } else {
            func constant(_ value: Int32) -> Output { builder.constant(Tensor(value)) }
            which = builder.add("Range", [constant(0), builder.add("Rank", [self])[0], constant(1)])[0]
        }
        return builder.add(op, [self, which], attributes: ["keep_dims": .bool(keepDimensions)])[0]
    }
}
