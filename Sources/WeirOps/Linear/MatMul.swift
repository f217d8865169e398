import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The product of two matrices, each optionally transposed.
    static let matMul = OpDefinition(
        "MatMul", "(a: T, b: T) -> (product: T)", "transpose_a: bool = false", "transpose_b: bool = false",
        "T: {bfloat16, half, float, double, int32, int64, uint8, uint16, uint32, uint64, complex64, complex128}",
        "grad_a: bool = false", "grad_b: bool = false"
    )
    .shape(matMulShape)
    .sharding { c in
        ShardingRule.product(
            c, transposesLeft: c.attributes.bool("transpose_a") ?? false, transposesRight: c.attributes.bool("transpose_b") ?? false)
    }
    .cost(CostFunctions.product(transposed: "transpose_a"))
    .fusing(as: .product(fused: "_FusedMatMul", channelAxis: 1, takesSums: true))
    .gradient(matMulGradient)
    .kernel(["T": matrixTypes], gpu: ["T": [.floating, .complex]], make: matMulKernel)
    .cuda { request in
        let (a, b, dtype) = (try request.bool("transpose_a"), try request.bool("transpose_b"), try request.type("T"))
        let products = try CUDAMatrixProduct(request, dtype)
        return .sync { context in
            let product = try context.matMulSizes(a, b)
            let output = try context.output(0, dtype, Shape(matrix: product.rows, product.columns))
            try products.run(product, context.input(0), context.input(1), output)
        }
    }
}

/// The dtypes of the matrix product kernels. TensorFlow's CPU kernels lack the unsigned ones; here they share code with the
/// signed ones.
let matrixTypes: DTypeSet = [.floating, .complex, .unsignedInteger, DTypeSet(.int16, .int32, .int64)]

@Sendable func matMulShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 2)
    try c.requireRank(1, 2)
    let a = c.attributes.bool("transpose_a") == true ? 1 : 0
    let b = c.attributes.bool("transpose_b") == true ? 1 : 0
    let (left, right) = (c.input(0)[1 - a], c.input(1)[b])
    if let left, let right, left != right {
        throw Status.invalidArgument("Dimensions must be equal, but are \(left) and \(right)")
    }
    c.setOutput(0, .matrix(c.input(0)[a], c.input(1)[1 - b]))
}

@Sendable private func matMulGradient(_ g: GradientContext) throws -> [Output?] {
    let conjugates = g.inputs[0].dtype.isComplex
    let a = conjugates ? g.op("Conj", g.inputs[0]) : g.inputs[0]
    let b = conjugates ? g.op("Conj", g.inputs[1]) : g.inputs[1]
    let grad = g.gradient()
    func product(_ x: Output, _ y: Output, _ transposeX: Bool, _ transposeY: Bool, of operand: String) -> Output {
        g.op(
            "MatMul", x, y,
            attributes: ["transpose_a": .bool(transposeX), "transpose_b": .bool(transposeY), operand: true])
    }
    switch (g.attributes.bool("transpose_a") ?? false, g.attributes.bool("transpose_b") ?? false) {
    case (false, false):
        return [product(grad, b, false, true, of: "grad_a"), product(a, grad, true, false, of: "grad_b")]
    case (false, true):
        return [product(grad, b, false, false, of: "grad_a"), product(grad, a, true, false, of: "grad_b")]
    case (true, false):
        return [product(b, grad, false, true, of: "grad_a"), product(a, grad, false, false, of: "grad_b")]
    case (true, true):
        return [product(b, grad, true, true, of: "grad_a"), product(grad, a, true, true, of: "grad_b")]
    }
}

@Sendable private func matMulKernel(_ request: KernelRequest) throws -> Kernel {
    let a = try request.bool("transpose_a"), b = try request.bool("transpose_b")
    let type = try request.type("T")
    switch type {
    case .float32: return matMul(Float.self, type, a, b)
    case .float64: return matMul(Double.self, type, a, b)
    case .float16: return matMulWidened(Float16.self, a, b)
    case .bfloat16: return matMulWidened(BFloat16.self, a, b)
    case .complex64: return matMul(Complex64.self, type, a, b)
    case .complex128: return matMul(Complex128.self, type, a, b)
    // Signed and unsigned products have the same bits, so they share a kernel.
    case .uint8: return matMul(UInt8.self, type, a, b)
    case .int16, .uint16: return matMul(UInt16.self, type, a, b)
    case .int32, .uint32: return matMul(UInt32.self, type, a, b)
    case .int64, .uint64: return matMul(UInt64.self, type, a, b)
    default: throw request.unsupportedType("T")
    }
}

extension KernelContext {
    /// Checks the shapes of the first two inputs and returns their product's sizes.
    func matMulSizes(_ transposesA: Bool, _ transposesB: Bool) throws -> MatrixProduct {
        if rank(0) == 2, rank(1) == 2 {
            let (rows, depth) = (dimension(0, transposesA ? 1 : 0), dimension(0, transposesA ? 0 : 1))
            let (other, columns) = (dimension(1, transposesB ? 1 : 0), dimension(1, transposesB ? 0 : 1))
            if depth == other {
                return MatrixProduct(
                    rows: rows, columns: columns, depth: depth, transposesA: transposesA, transposesB: transposesB)
            }
        }
        return try WeirNeuralOps.matMulSizes(shape(0), shape(1), transposesA, transposesB)
    }
}

/// Checks two matrix shapes and returns their product's sizes.
/// - Throws: `invalidArgument` when the shapes are not matrices or do not match.
func matMulSizes(_ a: Shape, _ b: Shape, _ transposesA: Bool, _ transposesB: Bool) throws -> MatrixProduct {
    guard a.rank == b.rank else {
        throw Status.invalidArgument("In[0] and In[1] has different ndims: \(a) vs. \(b)")
    }
    guard a.rank == 2 else {
        throw Status.invalidArgument("In[0] and In[1] must be matrices, found shapes \(a) and \(b)")
    }
    let (rows, depth) = transposesA ? (a[1], a[0]) : (a[0], a[1])
    let (other, columns) = transposesB ? (b[1], b[0]) : (b[0], b[1])
    guard depth == other else {
        throw Status.invalidArgument("Matrix size-incompatible: In[0]: \(a), In[1]: \(b)")
    }
    return MatrixProduct(rows: rows, columns: columns, depth: depth, transposesA: transposesA, transposesB: transposesB)
}

private func matMul<E: MatrixElement>(_ type: E.Type, _ dtype: DType, _ a: Bool, _ b: Bool) -> Kernel {
    .sync { context in
        let product = try context.matMulSizes(a, b)
        let output = try context.output(0, dtype, Shape(matrix: product.rows, product.columns))
        product.run(
            context.elements(0, E.self).start, context.elements(1, E.self).start, output.mutableElements(E.self).start,
            context.pool)
    }
}

private func matMulWidened<E: FloatingElement>(_ type: E.Type, _ a: Bool, _ b: Bool) -> Kernel where E.Compute == Float {
    .sync { context in
        let product = try context.matMulSizes(a, b)
        let output = try context.output(0, E.dtype, Shape(matrix: product.rows, product.columns))
        let (left, right) = (try context.input(0).widened(from: E.self), try context.input(1).widened(from: E.self))
        let wide = try Tensor(.float32, output.shape)
        defer { keepAlive((left, right, wide)) }
        product.run(
            left.elements(Float.self).start, right.elements(Float.self).start, wide.mutableElements(Float.self).start,
            context.pool)
        output.narrow(from: wide, to: E.self)
    }
}

extension Output {
    /// Returns the product of two matrices, each optionally transposed (MatMul). If a rank is known to be above 2, multiplies
    /// batches of matrices with broadcast batch dimensions (BatchMatMulV2). Complex matrices are transposed without conjugation.
    public func matMul(_ other: Output, transposeA: Bool = false, transposeB: Bool = false) -> Output {
        if let rank = shape.rank, let otherRank = other.shape.rank, Swift.max(rank, otherRank) > 2 {
            // BatchMatMulV2 takes the adjoint, which is the conjugate of the transpose.
            func operand(_ matrices: Output, _ transposes: Bool) -> Output {
                transposes && dtype.isComplex ? builder.add("Conj", [matrices])[0] : matrices
            }
            return builder.add(
                "BatchMatMulV2", [operand(self, transposeA), operand(other, transposeB)],
                attributes: ["adj_x": .bool(transposeA), "adj_y": .bool(transposeB)])[0]
        }
        return builder.add(
            "MatMul", [self, other], attributes: ["transpose_a": .bool(transposeA), "transpose_b": .bool(transposeB)])[0]
    }
}
