import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// A matrix product followed by fused ops: a bias, an activation, a sum.
    static let fusedMatMul = OpDefinition(
        "_FusedMatMul", "(a: T, b: T, args: num_args * T) -> (product: T)", "transpose_a: bool = false",
        "transpose_b: bool = false", "T: {bfloat16, half, float}", "num_args: int >= 0", "fused_ops: list(string) = []",
        "epsilon: float = 9.99999975e-05", "leakyrelu_alpha: float = 0.200000003"
    )
    .shape { c in
        try matMulShape(&c)
        // With `Add` the summand's shape may be larger than the product's, so the output's shape is unknown.
        if c.attributes.strings("fused_ops")?.contains(ByteString("Add")) == true { c.setOutput(0, .unknown) }
    }
    .kernel(
        ["T": DTypeSet(.bfloat16, .float16, .float32)], gpu: ["T": DTypeSet(.bfloat16, .float16, .float32)],
        make: fusedMatMulKernel
    )
    .cuda(cudaFusedMatMul)
}

@Sendable private func cudaFusedMatMul(_ request: KernelRequest) throws -> Kernel {
    let (a, b, dtype) = (try request.bool("transpose_a"), try request.bool("transpose_b"), try request.type("T"))
    let (epilogue, arguments) = (try FusedEpilogue(request), try fusedArguments(request))
    if epilogue.isSum {
        let products = try CUDAMatrixProduct(request, dtype)
        let sum = try CUDAElementwise(products.device, request.op.name, [dtype, dtype], dtype, "x + y")
        return .sync { context in
            let product = try context.matMulSizes(a, b)
            let shape = try Shape(matrix: product.rows, product.columns)
            let (summand, made) = (context.input(2), try Tensor(dtype, shape, in: context.allocator))
            let broadcast = try CUDABroadcast([summand.shape, shape])
            try products.run(product, context.input(0), context.input(1), made)
            try sum.run([summand, made], broadcast, try context.output(0, dtype, broadcast.shape))
        }
    }
    let products = try CUDAMatrixProduct(request, dtype, epilogue: epilogue.cuda, library: epilogue.library)
    return .sync { context in
        let product = try context.matMulSizes(a, b)
        let tensors = context.inputTensors(arguments)
        let shape = try Shape(matrix: product.rows, product.columns)
        _ = try epilogue.check(tensors, shape, channelsFirst: false)
        try products.run(product, context.input(0), context.input(1), try context.output(0, dtype, shape), Array(tensors.prefix(epilogue.argumentCount)))
    }
}

/// The inputs that the fused ops take.
private func fusedArguments(_ request: KernelRequest) throws -> Range<Int> {
    let (needed, arguments) = (try FusedEpilogue(request).argumentCount, try request.inputRange("args"))
    guard arguments.count >= needed else {
        throw Status.invalidArgument("Fused MatMul node '\(request.name)' needs \(needed) extra arguments, found \(arguments.count)")
    }
    return arguments
}

@Sendable private func fusedMatMulKernel(_ request: KernelRequest) throws -> Kernel {
    let a = try request.bool("transpose_a"), b = try request.bool("transpose_b")
    let epilogue = try FusedEpilogue(request), arguments = try fusedArguments(request)
    switch try request.type("T") {
    case .float32:
        if epilogue.isSum { return productAndSum(a, b) }
        if let kernel = epilogue.afterBias(ProductAndBias(transposesA: a, transposesB: b)) { return kernel }
        return .sync { context in
            let product = try context.matMulSizes(a, b)
            let output = try context.output(0, .float32, Shape(matrix: product.rows, product.columns))
            product.run(
                context.elements(0, Float.self).start, context.elements(1, Float.self).start,
                output.mutableElements(Float.self).start, context.pool)
            try epilogue.apply(output, context.inputTensors(arguments), channelsFirst: false, Float.self, context.pool)
        }
    case .float16: return fusedWidened(Float16.self, a, b, epilogue, arguments)
    case .bfloat16: return fusedWidened(BFloat16.self, a, b, epilogue, arguments)
    default: throw request.unsupportedType("T")
    }
}

/// The kernel of `activation(a · b + bias)`.
private struct ProductAndBias: ActivationKernelMaker {
    let transposesA: Bool
    let transposesB: Bool

    func kernel<A: Activation>(_ activation: A) -> Kernel {
        let (a, b) = (transposesA, transposesB)
        return .sync { context in
            let product = try context.matMulSizes(a, b)
            guard context.rank(2) == 1 else { throw Status.invalidArgument("Biases must be 1D: \(context.shape(2))") }
            guard context.dimension(2, 0) == product.columns else {
                throw Status.invalidArgument(
                    "Must provide as many biases as the last dimension of the input tensor: \(context.shape(2)) vs. "
                        + "[\(product.rows),\(product.columns)]")
            }
            let finish = BiasEpilogue(bias: context.elements(2, Float.self).start, activation: activation)
            let output = try context.output(0, .float32, Shape(matrix: product.rows, product.columns))
            product.run(
                context.elements(0, Float.self).start, context.elements(1, Float.self).start,
                output.mutableElements(Float.self).start, context.pool, finish)
        }
    }
}

/// Returns the kernel of `a · b + c`. It computes in the buffer of `c` if no other tensor shares that buffer.
private func productAndSum(_ a: Bool, _ b: Bool) -> Kernel {
    .sync { context in
        let product = try context.matMulSizes(a, b)
        let shape = try Shape(matrix: product.rows, product.columns)
        let (left, right) = (context.elements(0, Float.self).start, context.elements(1, Float.self).start)
        if product.canAccumulate, context.shape(2) == shape {
            let summand = context.elements(2, Float.self).start
            let output = try context.output(0, .float32, shape, reusing: 2).mutableElements(Float.self).start
            if summand != UnsafePointer(output) { output.update(from: summand, count: shape.elementCount) }
            return product.accumulate(left, right, output, context.pool)
        }
        if context.rank(2) == 1, context.dimension(2, 0) == product.columns {
            let finish = BiasEpilogue(bias: context.elements(2, Float.self).start, activation: IdentityFunction())
            let output = try context.output(0, .float32, shape)
            return product.run(left, right, output.mutableElements(Float.self).start, context.pool, finish)
        }
        let result = try Tensor(.float32, shape)
        product.run(left, right, result.mutableElements(Float.self).start, context.pool)
        try context.apply(.plus, to: context.slot(2), .value(result))
    }
}

extension BinaryLoop {
    fileprivate static let plus = BinaryLoop(vector: Functions.Plus.self)
}

extension KernelContext {
    /// Applies a float loop to two values that are not inputs of this call, and sets output 0.
    fileprivate func apply(_ loop: BinaryLoop, to left: EdgeValue, _ right: EdgeValue) throws {
        try withUnsafeTemporaryAllocation(of: EdgeValue.self, capacity: 3) { slots in
            slots.initializeElement(at: 0, to: left)
            slots.initializeElement(at: 1, to: right)
            slots.initializeElement(at: 2, to: .empty)
            defer { slots.deinitialize() }
            let call = KernelContext(
                inputs: slots.start, inputCount: 2, outputs: slots.start + 2, outputCount: 1, step: step, place: place,
                frame: frame)
            try call.apply(loop, .float32)
            setOutput(0, slot: slots[2])
        }
    }
}

private func fusedWidened<E: FloatingElement>(
    _ type: E.Type, _ a: Bool, _ b: Bool, _ epilogue: FusedEpilogue, _ arguments: Range<Int>
) -> Kernel where E.Compute == Float {
    .sync { context in
        let product = try context.matMulSizes(a, b)
        let output = try context.output(0, E.dtype, Shape(matrix: product.rows, product.columns))
        let (left, right) = (try context.input(0).widened(from: E.self), try context.input(1).widened(from: E.self))
        let wide = try Tensor(.float32, output.shape)
        defer { keepAlive((left, right, wide)) }
        product.run(
            left.elements(Float.self).start, right.elements(Float.self).start, wide.mutableElements(Float.self).start,
            context.pool)
        let wideArguments = try context.inputTensors(arguments).map { try $0.widened(from: E.self) }
        try epilogue.apply(wide, wideArguments, channelsFirst: false, Float.self, context.pool)
        output.narrow(from: wide, to: E.self)
    }
}
