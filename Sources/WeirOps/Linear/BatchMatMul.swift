import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

private let batchAttributes = ["adj_x: bool = false", "adj_y: bool = false", "grad_x: bool = false", "grad_y: bool = false"]

extension OpDefinition {
    /// The products of pairs of matrices. The batch dimensions must be equal.
    static let batchMatMul = OpDefinition(
        "BatchMatMul", "(x: T, y: T) -> (output: T)",
        attributes: ["T: {bfloat16, half, float, double, int32, int64, complex64, complex128}"] + batchAttributes
    )
    .shape { c in try batchMatMulShape(&c, broadcasts: false) }
    .sharding(batchMatMulSharding)
    .cost(CostFunctions.product(transposed: "adj_x"))
    .gradient(batchMatMulGradient)
    .kernel(["T": matrixTypes], gpu: ["T": [.floating, .complex]]) { try batchMatMulKernel($0, broadcasts: false) }
    .cuda { try cudaBatchMatMul($0, ("T", "T", "T"), broadcasts: false) }

    /// The products of pairs of matrices. The batch dimensions broadcast.
    static let batchMatMulV2 = OpDefinition(
        "BatchMatMulV2", "(x: T, y: T) -> (output: T)",
        attributes: [
            "T: {bfloat16, half, float, double, int16, int32, int64, uint8, uint16, uint32, uint64, complex64, complex128}"
        ] + batchAttributes
    )
    .shape { c in try batchMatMulShape(&c, broadcasts: true) }
    .sharding(batchMatMulSharding)
    .cost(CostFunctions.product(transposed: "adj_x"))
    .gradient(batchMatMulGradient)
    .kernel(["T": matrixTypes], gpu: ["T": [.floating, .complex]]) { try batchMatMulKernel($0, broadcasts: true) }
    .cuda { try cudaBatchMatMul($0, ("T", "T", "T"), broadcasts: true) }

    /// Like `BatchMatMulV2`, for operands of different dtypes.
    static let batchMatMulV3 = OpDefinition(
        "BatchMatMulV3", "(x: Ta, y: Tb) -> (output: Tout)",
        attributes: [
            "Ta: {bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128}",
            "Tb: {bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128}",
            "Tout: {bfloat16, half, float, double, int16, int32, int64, complex64, complex128}",
        ] + batchAttributes
    )
    .shape { c in try batchMatMulShape(&c, broadcasts: true) }
    .sharding(batchMatMulSharding)
    .cost(CostFunctions.product(transposed: "adj_x"))
    .gradient(batchMatMulGradient)
    .kernel(
        ["Tout": matrixTypes],
        gpu: ["Ta": [.floating, .complex], "Tb": [.floating, .complex], "Tout": [.floating, .complex]],
        make: batchMatMulV3Kernel
    )
    .cuda { try cudaBatchMatMul($0, ("Ta", "Tb", "Tout"), broadcasts: true) }
}

@Sendable private func batchMatMulShape(_ c: inout ShapeContext, broadcasts: Bool) throws {
    try c.requireRank(0, atLeast: 2)
    try c.requireRank(1, atLeast: 2)
    let (x, y) = (c.input(0), c.input(1))
    guard x.rank != nil, y.rank != nil else { return }
    let adjointX = c.attributes.bool("adj_x") ?? false, adjointY = c.attributes.bool("adj_y") ?? false
    if let left = x[adjointX ? -2 : -1], let right = y[adjointY ? -1 : -2], left != right {
        throw Status.invalidArgument("Dimensions must be equal, but are \(left) and \(right)")
    }
    let batch = broadcasts ? try x.dropLast(2).broadcasting(y.dropLast(2)) : try x.dropLast(2).merging(y.dropLast(2))
    c.setOutput(0, batch.concatenating(.matrix(x[adjointX ? -1 : -2], y[adjointY ? -2 : -1])))
}

@Sendable private func batchMatMulSharding(_ c: ShardingContext) -> ShardingRule? {
    ShardingRule.product(c, transposesLeft: c.attributes.bool("adj_x") ?? false, transposesRight: c.attributes.bool("adj_y") ?? false)
}

@Sendable private func batchMatMulGradient(_ g: GradientContext) throws -> [Output?] {
    let (x, y, grad) = (g.inputs[0], g.inputs[1], g.gradient())
    let broadcasts = g.node.op.name != "BatchMatMul"
    // The gradients of a BatchMatMulV3 are BatchMatMulV3 nodes only if the dtypes differ; otherwise V2 is enough.
    let op = g.node.op.name == "BatchMatMulV3" && x.dtype == y.dtype && y.dtype == grad.dtype ? "BatchMatMulV2" : g.node.op.name
    func product(_ a: Output, _ b: Output, _ adjointA: Bool, _ adjointB: Bool, _ operand: String, like: Output) -> Output {
        var attributes: Attributes = ["adj_x": .bool(adjointA), "adj_y": .bool(adjointB)]
        if broadcasts { attributes[operand] = true }
        if op == "BatchMatMulV3" { attributes["Tout"] = .type(like.dtype) }
        return g.op(op, a, b, attributes: attributes)
    }
    let gradX: Output, gradY: Output
    switch (g.attributes.bool("adj_x") ?? false, g.attributes.bool("adj_y") ?? false) {
    case (false, false):
        gradX = product(grad, y, false, true, "grad_x", like: x)
        gradY = product(x, grad, true, false, "grad_y", like: y)
    case (false, true):
        gradX = product(grad, y, false, false, "grad_x", like: x)
        gradY = product(grad, x, true, false, "grad_y", like: y)
    case (true, false):
        gradX = product(y, grad, false, true, "grad_x", like: x)
        gradY = product(x, grad, false, false, "grad_y", like: y)
    case (true, true):
        gradX = product(y, grad, true, true, "grad_x", like: x)
        gradY = product(grad, x, true, true, "grad_y", like: y)
    }
    guard broadcasts else { return [gradX, gradY] }
    if let a = x.shape.rank, let b = y.shape.rank, a <= 2, b <= 2 { return [gradX, gradY] }
    if let a = x.shape.dropLast(2).known, let b = y.shape.dropLast(2).known, a == b { return [gradX, gradY] }
    // Sums each gradient over the batch dimensions that were broadcast.
    let (shapeX, shapeY) = (g.op("Shape", x), g.op("Shape", y))
    func batch(_ shape: Output) -> Output {
        g.op(
            "StridedSlice", shape, g.constant([0]), g.constant([-2]), g.constant([1]), attributes: ["begin_mask": 1])
    }
    let axes = g.ops("BroadcastGradientArgs", [batch(shapeX), batch(shapeY)])
    guard axes.count == 2 else { return [nil, nil] }
    return [
        g.op("Reshape", g.op("Sum", gradX, axes[0]), shapeX), g.op("Reshape", g.op("Sum", gradY, axes[1]), shapeY),
    ]
}

@Sendable private func batchMatMulKernel(_ request: KernelRequest, broadcasts: Bool) throws -> Kernel {
    let type = try request.type("T")
    let options = BatchOptions(
        adjointX: try request.bool("adj_x"), adjointY: try request.bool("adj_y"), broadcasts: broadcasts, dtype: type)
    return try batchMatMul(options) ?? { throw request.unsupportedType("T") }()
}

@Sendable private func batchMatMulV3Kernel(_ request: KernelRequest) throws -> Kernel {
    let (left, right, type) = (try request.type("Ta"), try request.type("Tb"), try request.type("Tout"))
    let options = BatchOptions(
        adjointX: try request.bool("adj_x"), adjointY: try request.bool("adj_y"), broadcasts: true, dtype: type)
    if left == type, right == type { return try batchMatMul(options) ?? { throw request.unsupportedType("Tout") }() }
    // Mixed dtypes: 8-bit integers with an int32 result, and 8-bit integers or bfloat16 with a bfloat16 result.
    let bytes = DTypeSet(.int8, .uint8), halves = DTypeSet(.int8, .uint8, .bfloat16)
    switch type {
    case .int32 where bytes.contains(left) && bytes.contains(right):
        return .sync { context in
            let x = try widened(context.input(0), UInt32.self), y = try widened(context.input(1), UInt32.self)
            try batchProduct(context, options, x, y, UInt32.self)
        }
    case .bfloat16 where halves.contains(left) && halves.contains(right):
        return .sync { context in
            let x = try widened(context.input(0), Float.self), y = try widened(context.input(1), Float.self)
            try batchProductNarrowed(context, options, x, y, BFloat16.self)
        }
    default:
        throw Status.unimplemented("BatchMatMulV3 node '\(request.name)': no kernel for \(left) times \(right) in \(type)")
    }
}

struct BatchOptions {
    var adjointX: Bool
    var adjointY: Bool
    var broadcasts: Bool
    var dtype: DType
}

private func cudaBatchMatMul(_ request: KernelRequest, _ types: (String, String, String), broadcasts: Bool) throws -> Kernel {
    let (left, right, dtype) = (try request.type(types.0), try request.type(types.1), try request.type(types.2))
    let options = BatchOptions(
        adjointX: try request.bool("adj_x"), adjointY: try request.bool("adj_y"), broadcasts: broadcasts, dtype: dtype)
    let conjugates = (left: options.adjointX, right: options.adjointY)
    if left == dtype, right == dtype {
        let products = try CUDAMatrixProduct(request, dtype, conjugates: conjugates)
        return .sync { context in
            let plan = try BatchPlan(context.shape(0), context.shape(1), options)
            let output = try context.output(0, dtype, plan.shape)
            guard plan.shape.elementCount > 0 else { return }
            let (product, batch) = try plan.onCard()
            try products.run(product, batch: batch, context.input(0), context.input(1), output)
        }
    }
    throw Status.unimplemented("BatchMatMulV3 node '\(request.name)': no kernel for \(left) times \(right) in \(dtype)")
}

private func batchMatMul(_ options: BatchOptions) -> Kernel? {
    func exact<E: MatrixElement>(_ type: E.Type) -> Kernel {
        .sync { try batchProduct($0, options, $0.input(0), $0.input(1), E.self) }
    }
    func widened<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
        .sync { context in
            let x = try context.input(0).widened(from: E.self), y = try context.input(1).widened(from: E.self)
            try batchProductNarrowed(context, options, x, y, E.self)
        }
    }
    switch options.dtype {
    case .float32: return exact(Float.self)
    case .float64: return exact(Double.self)
    case .float16: return widened(Float16.self)
    case .bfloat16: return widened(BFloat16.self)
    case .complex64: return exact(Complex64.self)
    case .complex128: return exact(Complex128.self)
    case .uint8: return exact(UInt8.self)
    case .int16, .uint16: return exact(UInt16.self)
    case .int32, .uint32: return exact(UInt32.self)
    case .int64, .uint64: return exact(UInt64.self)
    default: return nil
    }
}

private func batchProduct<E: MatrixElement>(
    _ context: borrowing KernelContext, _ options: BatchOptions, _ x: Tensor, _ y: Tensor, _ type: E.Type
) throws {
    let plan = try BatchPlan(x.shape, y.shape, options)
    let output = try context.output(0, options.dtype, plan.shape)
    plan.run(x, y, output, E.self, context.pool)
}

private func batchProductNarrowed<E: FloatingElement>(
    _ context: borrowing KernelContext, _ options: BatchOptions, _ x: Tensor, _ y: Tensor, _ type: E.Type
) throws where E.Compute == Float {
    let plan = try BatchPlan(x.shape, y.shape, options)
    let output = try context.output(0, options.dtype, plan.shape)
    let wide = try Tensor(.float32, plan.shape)
    plan.run(x, y, wide, Float.self, context.pool)
    output.narrow(from: wide, to: E.self)
}

/// Converts a tensor of 8-bit integers or bfloat16 to a wider element type.
private func widened<E: NumericElement>(_ tensor: Tensor, _ type: E.Type) throws -> Tensor {
    let wide = try Tensor(E.dtype, tensor.shape)
    defer { keepAlive((tensor, wide)) }
    let target = wide.mutableElements(E.self)
    switch tensor.dtype {
    case .int8: for (index, value) in tensor.elements(Int8.self).enumerated() { target[index] = E(exactlyWide: Int(value)) }
    case .uint8: for (index, value) in tensor.elements(UInt8.self).enumerated() { target[index] = E(exactlyWide: Int(value)) }
    default:
        for (index, value) in tensor.elements(BFloat16.self).enumerated() { target[index] = E(number: Double(value.float)) }
    }
    return wide
}

extension NumericElement {
    /// Converts a small integer. For UInt32 the result has the bits of the int32 value.
    fileprivate init(exactlyWide value: Int) {
        if Self.self == UInt32.self { self = unsafeBitCast(UInt32(truncatingIfNeeded: value), to: Self.self) } else { self.init(number: Double(value)) }
    }
}

/// The pairing of the matrices of two batches.
struct BatchPlan {
    let product: MatrixProduct
    let shape: Shape
    private let batch: Broadcast?
    private let operands: (x: Shape, y: Shape)

    init(_ x: Shape, _ y: Shape, _ options: BatchOptions) throws {
        try BatchPlan.checkRanks(x, y, broadcasts: options.broadcasts)
        let (xRank, yRank) = (x.rank, y.rank)
        let (rows, depth) = options.adjointX ? (x[xRank - 1], x[xRank - 2]) : (x[xRank - 2], x[xRank - 1])
        let (other, columns) = options.adjointY ? (y[yRank - 1], y[yRank - 2]) : (y[yRank - 2], y[yRank - 1])
        let batch = try BatchPlan.broadcast(x, y)
        guard depth == other else {
            throw Status.invalidArgument("Matrix size-incompatible: In[0]: \(x), In[1]: \(y)")
        }
        product = MatrixProduct(
            rows: rows, columns: columns, depth: depth, transposesA: options.adjointX, transposesB: options.adjointY,
            conjugates: true)
        shape = try Shape(validating: batch + [rows, columns])
        operands = (x, y)
        // An empty result has no pairs to compute, and its batch size is not bounded by memory.
        self.batch =
            shape.elementCount == 0
            ? nil : try Broadcast(Shape(x.dimensions.dropLast(2)), Shape(y.dimensions.dropLast(2)))
    }

    /// Returns the element offsets of the two matrices of each pair. They need no more memory than the products, which fit in
    /// memory.
    private func offsets() -> (x: [Int], y: [Int]) {
        var (xs, ys) = ([Int](), [Int]())
        let (xSize, ySize) = (product.rows * product.depth, product.depth * product.columns)
        batch?.forEachRow { _, left, right, count, leftStride, rightStride in
            for index in 0..<count {
                xs.append((left + index * leftStride) * xSize)
                ys.append((right + index * rightStride) * ySize)
            }
        }
        return (xs, ys)
    }

    /// Returns the product and the batch for a card: dimensions that the operands take part in alike are one, the last first.
    func onCard() throws -> (MatrixProduct, [TiledProblem.Batch]) {
        let (x, y) = operands
        let batches = [x, y].map { Shape(Array($0.dimensions.dropLast(2))) }
        // All matrices times the same one: the rows of one product.
        if batches[1].elementCount == 1, !product.transposesA {
            var whole = product
            whole.rows *= batches[0].elementCount
            return (whole, [])
        }
        let layout = try CUDABroadcast(batches)
        let (xSize, ySize) = (product.rows * product.depth, product.depth * product.columns)
        if layout.isPlain {
            let count = layout.shape.elementCount
            let isRepeated = batches.map { $0.elementCount == 1 }
            return (product, count == 1 ? [] : [.init(size: count, left: isRepeated[0] ? 0 : xSize, right: isRepeated[1] ? 0 : ySize)])
        }
        return (
            product,
            layout.sizes.indices.reversed().map {
                .init(size: layout.sizes[$0], left: layout.strides[0][$0] * xSize, right: layout.strides[1][$0] * ySize)
            }
        )
    }

    /// Returns the broadcast batch dimensions.
    private static func broadcast(_ x: Shape, _ y: Shape) throws -> [Int] {
        let rank = max(x.rank, y.rank) - 2
        return try (0..<rank).map { index in
            let a = index - rank + x.rank - 2 < 0 ? 1 : x[index - rank + x.rank - 2]
            let b = index - rank + y.rank - 2 < 0 ? 1 : y[index - rank + y.rank - 2]
            guard a == b || a == 1 || b == 1 else {
                throw Status.invalidArgument("In[0] and In[1] must have compatible batch dimensions: \(x) vs. \(y)")
            }
            return a == 1 ? b : a
        }
    }

    private static func checkRanks(_ x: Shape, _ y: Shape, broadcasts: Bool) throws {
        if broadcasts {
            guard x.rank >= 2 else { throw Status.invalidArgument("In[0] ndims must be >= 2: \(x.rank)") }
            guard y.rank >= 2 else { throw Status.invalidArgument("In[1] ndims must be >= 2: \(y.rank)") }
            return
        }
        guard x.rank == y.rank else {
            throw Status.invalidArgument("In[0] and In[1] has different ndims: \(x) vs. \(y)")
        }
        guard x.rank >= 2 else { throw Status.invalidArgument("In[0] and In[1] ndims must be >= 2: \(x.rank)") }
        for index in 0..<x.rank - 2 where x[index] != y[index] {
            throw Status.invalidArgument("In[0].dim(\(index)) and In[1].dim(\(index)) must be the same: \(x) vs \(y)")
        }
    }

    func run<E: MatrixElement>(_ x: Tensor, _ y: Tensor, _ output: Tensor, _ type: E.Type, _ pool: ComputePool) {
        defer { keepAlive((x, y, output)) }
        let (xOffsets, yOffsets) = offsets()
        product.run(
            batch: xOffsets, yOffsets, x.elements(E.self).start, y.elements(E.self).start,
            output.mutableElements(E.self).start, pool)
    }
}
