import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The products of a node on a card: by cuBLASLt where it is there and has an algorithm, otherwise by `TiledProduct`.
struct CUDAMatrixProduct: Sendable {
    let device: CUDADevice
    private let dtype: DType
    private let tiled: TiledProduct
    /// The library's name of the epilogue; nil if it has none, so that `pass` follows the product.
    private let epilogue: CUDAProductShape.Epilogue?
    private let pass: CUDAModule?
    private let usesLibrary: Bool

    /// Prepares the products of elements of one type.
    /// - Parameters:
    ///   - epilogue: what is done to each sum.
    ///   - library: the library's name of the epilogue; nil if it has none.
    ///   - conjugates: which operands' conjugates are multiplied.
    init(
        _ request: KernelRequest, _ dtype: DType, epilogue: CUDAEpilogue = CUDAEpilogue(), library: CUDAProductShape.Epilogue? = CUDAProductShape.Epilogue.none,
        conjugates: (left: Bool, right: Bool) = (false, false)
    ) throws {
        device = try request.cudaDevice()
        self.dtype = dtype
        self.epilogue = library
        usesLibrary = device.products != nil && dtype.isFloating
        pass = library == nil && usesLibrary ? try epilogue.pass(request, dtype) : nil
        tiled = try TiledProduct(
            request, left: dtype, right: dtype, result: dtype, epilogue: epilogue, conjugates: conjugates, isLazy: usesLibrary)
    }

    /// Enqueues the products of a batch of pairs of matrices.
    /// - Parameters:
    ///   - batch: the dimensions of the batch and the operands' strides along them, the last first; adjacent ones are merged.
    ///   - arguments: the epilogue's tensors; the bias is the first.
    func run(
        _ product: MatrixProduct, batch: [TiledProblem.Batch] = [], _ left: Tensor, _ right: Tensor, _ result: Tensor, _ arguments: [Tensor] = []
    ) throws {
        guard result.elementCount > 0 else { return }
        if try runLibrary(product, batch, left, right, result, arguments) { return }
        try tiled.run(problem(product, batch), left, right, result, arguments.map { .elements($0) })
    }

    /// Enqueues the products as the library's.
    /// - Returns: false when it is not there, or has no algorithm.
    func runLibrary(
        _ product: MatrixProduct, _ batch: [TiledProblem.Batch], _ left: Tensor, _ right: Tensor, _ result: Tensor, _ arguments: [Tensor]
    ) throws -> Bool {
        // The library takes one dimension of the batch; a few indices of the others are products of their own.
        guard usesLibrary, product.depth > 0 else { return false }
        let outer = batch.dropFirst()
        let count = outer.reduce(1) { $0 * $1.size }
        guard let products = device.products, count <= 16 else { return false }
        var shape = CUDAProductShape(dtype, rows: product.rows, columns: product.columns, depth: product.depth)
        shape.transposesLeft = product.transposesA
        shape.transposesRight = product.transposesB
        shape.allowsTF32 = device.allowsTF32
        shape.epilogue = epilogue ?? .none
        var step = product.rows * product.columns
        if let first = batch.first {
            (shape.batchCount, shape.leftStride, shape.rightStride) = (first.size, first.left, first.right)
            step *= first.size
        }
        let size = UInt64(dtype.byteCount)
        for index in 0..<count {
            var (rest, a, b) = (index, 0, 0)
            for dimension in outer {
                a += rest % dimension.size * dimension.left
                b += rest % dimension.size * dimension.right
                rest /= dimension.size
            }
            let done = try products.multiply(
                shape, left.deviceAddress + UInt64(a) * size, right.deviceAddress + UInt64(b) * size, bias: arguments.first?.deviceAddress ?? 0,
                into: result.deviceAddress + UInt64(index * step) * size, on: device)
            if !done { return false }
        }
        if let pass {
            try device.launch(
                pass.function("pass"), over: result.elementCount,
                [.elements(result), .int(result.elementCount), .int(product.columns), .int(1)] + arguments.map { .elements($0) })
        }
        return true
    }

    private func problem(_ product: MatrixProduct, _ batch: [TiledProblem.Batch]) -> TiledProblem {
        let (rows, columns, depth) = (product.rows, product.columns, product.depth)
        return TiledProblem(
            rows: [.init(size: rows, left: product.transposesA ? 1 : depth, other: columns)],
            depth: [.init(size: depth, left: product.transposesA ? rows : 1, other: product.transposesB ? 1 : columns)],
            columns: columns, rightStep: product.transposesB ? depth : 1, resultStep: 1, batch: batch, resultBatchStep: rows * columns)
    }
}
