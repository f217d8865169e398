import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// A convolution followed by fused ops: a bias or batch normalization, an activation.
    static let fusedConv2D = OpDefinition(
        "_FusedConv2D", "(input: T, filter: T, args: TArgs, host_args: num_host_args * float) -> (output: T)",
        "T: {half, float, double, int8, qint8}", "TArgs: list(type) >= 1", "num_args: int >= 0",
        "num_host_args: int >= 0 = 0", "strides: list(int)", "padding: {'SAME', 'VALID', 'EXPLICIT'}",
        "explicit_paddings: list(int) = []", "data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'",
        "filter_format: {'HWIO', 'OIHW', 'OIHW_VECT_I'} = 'HWIO'", "dilations: list(int) = [1, 1, 1, 1]",
        "use_cudnn_on_gpu: bool = true", "fused_ops: list(string) = []", "epsilon: float = 9.99999975e-05",
        "leakyrelu_alpha: float = 0.200000003"
    )
    .shape { c in try convolutionShape(&c, spatialRank: 2) }
    .kernel(
        ["T": DTypeSet(.float16, .float32, .float64)], gpu: ["T": DTypeSet(.float16, .float32, .float64)],
        hostMemory: ["host_args"]
    ) { try fusedConvolutionKernel($0, isDepthwise: false) }
    .cuda(cudaFusedConvolution)

    /// A depthwise convolution followed by fused ops.
    static let fusedDepthwiseConv2dNative = OpDefinition(
        "_FusedDepthwiseConv2dNative", "(input: T, filter: T, args: num_args * T) -> (output: T)",
        "T: {half, bfloat16, float, double}", "num_args: int >= 0", "strides: list(int)", "padding: {'SAME', 'VALID'}",
        "data_format: {'NHWC', 'NCHW'} = 'NHWC'", "dilations: list(int) = [1, 1, 1, 1]", "fused_ops: list(string) = []",
        "epsilon: float = 9.99999975e-05", "leakyrelu_alpha: float = 0.200000003"
    )
    .shape(depthwiseShape)
    .kernel(["T": .floating]) { try fusedConvolutionKernel($0, isDepthwise: true) }
}

private func fusedConvolution(_ request: KernelRequest, isDepthwise: Bool) throws -> FusedConvolution {
    let attributes = try ConvolutionAttributes(request.attributes, spatialRank: 2)
    let epilogue = try FusedEpilogue(request)
    if let format = request.attributes.string("filter_format"), format != "HWIO" {
        throw Status.unimplemented("\(request.op.name) node '\(request.name)': filter format \(format) is not supported on a CPU")
    }
    let arguments = try request.inputRange("args"), type = try request.type("T")
    if arguments.contains(where: { request.inputTypes[$0].dtype != type }) {
        throw Status.invalidArgument("\(request.op.name) node '\(request.name)': the fused ops' arguments must be \(type)")
    }
    return FusedConvolution(attributes: attributes, isDepthwise: isDepthwise, epilogue: epilogue, arguments: arguments)
}

@Sendable private func cudaFusedConvolution(_ request: KernelRequest) throws -> Kernel {
    let (fused, dtype) = (try fusedConvolution(request, isDepthwise: false), try request.type("T"))
    let convolution = try CUDAConvolution(
        request, .output, dtype, isDepthwise: false, channelsFirst: fused.attributes.channelsFirst, epilogue: fused.epilogue.cuda,
        library: fused.epilogue.library)
    return .sync { context in
        let shape = try fused.attributes.plan(context.shape(0), context.shape(1)), outputShape = try shape.outputShape()
        let arguments = context.inputTensors(fused.arguments)
        _ = try fused.epilogue.check(arguments, outputShape, channelsFirst: fused.attributes.channelsFirst)
        let output = try context.output(0, dtype, outputShape)
        try convolution.run(shape, context.input(0), context.input(1), output, Array(arguments.prefix(fused.epilogue.argumentCount)))
    }
}

private func fusedConvolutionKernel(_ request: KernelRequest, isDepthwise: Bool) throws -> Kernel {
    let fused = try fusedConvolution(request, isDepthwise: isDepthwise)
    let (attributes, epilogue, arguments) = (fused.attributes, fused.epilogue, fused.arguments)
    switch try request.type("T") {
    case .float32:
        if !attributes.channelsFirst, arguments.count == 1, let kernel = epilogue.afterBias(ConvolutionAndBias(fused: fused)) {
            return kernel
        }
        return .sync { try fused.run($0, Float.self) }
    case .float64: return .sync { try fused.run($0, Double.self) }
    case .float16: return .sync { try fused.runWidened($0, Float16.self) }
    case .bfloat16: return .sync { try fused.runWidened($0, BFloat16.self) }
    default: throw request.unsupportedType("T")
    }
}

/// The kernel of `activation(convolution + bias)` for floats with the channels last.
private struct ConvolutionAndBias: ActivationKernelMaker {
    let fused: FusedConvolution

    func kernel<A: Activation>(_ activation: A) -> Kernel {
        let (fused, bias) = (fused, fused.arguments.lowerBound)
        return .sync { context in
            let (shape, output) = try fused.prepare(context, Float.self)
            guard context.rank(bias) == 1 else { throw Status.invalidArgument("bias must be 1-dimensional: \(context.shape(bias))") }
            guard context.dimension(bias, 0) == shape.outputChannels else {
                throw Status.invalidArgument(
                    "bias depth must be equal to output depth \(shape.outputChannels), found \(context.shape(bias))")
            }
            let finish = BiasEpilogue(bias: context.elements(bias, Float.self).start, activation: activation)
            try runConvolution(shape, context.input(0), context.input(1), output, context.pool, finish)
        }
    }
}

private struct FusedConvolution: Sendable {
    let attributes: ConvolutionAttributes
    let isDepthwise: Bool
    let epilogue: FusedEpilogue
    let arguments: Range<Int>

    /// Checks the shapes, returns the sizes and allocates the output.
    fileprivate func prepare<E: FloatingElement>(
        _ context: borrowing KernelContext, _ type: E.Type
    ) throws -> (shape: ConvolutionShape, output: Tensor) {
        let input = context.shape(0), filter = context.shape(1)
        let shape = try attributes.plan(input, isDepthwise ? attributes.grouped(filter, input, op: nil) : filter)
        return (shape, try context.output(0, E.dtype, shape.outputShape()))
    }

    func run<E: ConvolutionElement & FloatingElement>(_ context: borrowing KernelContext, _ type: E.Type) throws {
        let (shape, output) = try prepare(context, E.self)
        try runConvolution(.output, shape, context.input(0), context.input(1), output, E.self, context.pool)
        try epilogue.apply(
            output, context.inputTensors(arguments), channelsFirst: attributes.channelsFirst, E.self, context.pool)
    }

    func runWidened<E: FloatingElement>(_ context: borrowing KernelContext, _ type: E.Type) throws where E.Compute == Float {
        let input = context.input(0), filter = context.input(1)
        let (shape, output) = try prepare(context, E.self)
        let wide = try Tensor(.float32, output.shape)
        try runConvolution(
            .output, shape, input.widened(from: E.self), filter.widened(from: E.self), wide, Float.self, context.pool)
        let wideArguments = try context.inputTensors(arguments).map { try $0.widened(from: E.self) }
        try epilogue.apply(wide, wideArguments, channelsFirst: attributes.channelsFirst, Float.self, context.pool)
        output.narrow(from: wide, to: E.self)
    }
}

extension KernelContext {
    /// Returns the tensors of a range of inputs.
    func inputTensors(_ range: Range<Int>) -> [Tensor] { range.map { input($0) } }
}
