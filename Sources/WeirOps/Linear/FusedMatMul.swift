import WeirGraph
import WeirTensor

extension OpDefinition {
    /// The product of two matrices, and what is done to it: a bias, an activation.
    static let fusedMatMul = OpDefinition(
        "_FusedMatMul", "(a: T, b: T, args: num_args * T) -> (product: T)", "transpose_a: bool = false",
        "transpose_b: bool = false", "T: {bfloat16, half, float}", "num_args: int >= 0", "fused_ops: list(string) = []",
        "epsilon: float = 9.99999975e-05", "leakyrelu_alpha: float = 0.200000003"
    )
    .shape(matMulShape)
    .kernel(
        ["T": DTypeSet(.bfloat16, .float16, .float32)], gpu: ["T": DTypeSet(.bfloat16, .float16, .float32)],
        make: fusedMatMulKernel)
}

@Sendable private func fusedMatMulKernel(_ request: KernelRequest) throws -> Kernel {
    let a = try request.bool("transpose_a"), b = try request.bool("transpose_b")
    let epilogue = try FusedEpilogue(request), arguments = try request.inputRange("args")
    guard arguments.count >= epilogue.argumentCount else {
        throw Status.invalidArgument(
            "Fused MatMul node '\(request.name)' needs \(epilogue.argumentCount) extra arguments, found \(arguments.count)")
    }
    switch try request.type("T") {
    case .float32:
        return .sync { context in
            let product = try matMulSizes(context.shape(0), context.shape(1), a, b)
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

private func fusedWidened<E: FloatingElement>(
    _ type: E.Type, _ a: Bool, _ b: Bool, _ epilogue: FusedEpilogue, _ arguments: Range<Int>
) -> Kernel where E.Compute == Float {
    .sync { context in
        let product = try matMulSizes(context.shape(0), context.shape(1), a, b)
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
