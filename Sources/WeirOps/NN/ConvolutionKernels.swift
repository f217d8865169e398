import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Shape functions, gradients and kernels that 2-D and 3-D convolutions share.

func convolutionShape(_ c: inout ShapeContext, spatialRank: Int) throws {
    let rank = spatialRank + 2
    try c.requireRank(0, rank)
    try c.requireRank(1, rank)
    let attributes = try ConvolutionAttributes(c.attributes, spatialRank: spatialRank)
    let (input, filter) = (c.input(0), c.input(1))
    guard input.rank != nil else { return c.setOutput(0, .ofRank(rank)) }
    let channelAxis = attributes.channelsFirst ? 1 : rank - 1
    if let depth = input[channelAxis], let filterDepth = filter[rank - 2], filterDepth < 1 || depth % filterDepth != 0 {
        throw Status.invalidArgument("Depth of input (\(depth)) is not a multiple of input depth of filter (\(filterDepth))")
    }
    var output = [Int?](repeating: nil, count: rank)
    output[0] = input[0]
    output[channelAxis] = filter[rank - 1]
    for index in 0..<spatialRank {
        let (axis, position) = (index + 3 - spatialRank, index + (attributes.channelsFirst ? 2 : 1))
        for size in [input[position], filter[index]] where size ?? 0 > maximumWindowParameter {
            throw Status.invalidArgument("Dimension \(size ?? 0) is too large")
        }
        output[position] = try attributes.padding.partialWindows(
            axis, input: input[position], window: filter[index], dilation: attributes.dilation[axis],
            stride: attributes.stride[axis])
    }
    c.setOutput(0, PartialShape(output))
}

/// Sets the output shape of a gradient op, which is the value of input `index`.
func convolutionSizesShape(_ c: inout ShapeContext, _ index: Int, spatialRank: Int) throws {
    let shape = c.constantShape(index)
    c.setOutput(0, shape.rank == spatialRank + 2 ? shape : .ofRank(spatialRank + 2))
}

private func sharedAttributes(_ g: GradientContext) -> Attributes {
    let names = ["strides", "use_cudnn_on_gpu", "padding", "explicit_paddings", "data_format", "dilations"]
    return Attributes(g.attributes.values.filter { names.contains($0.key) })
}

/// Returns the names of the three convolution ops of this node's rank.
private func names(_ g: GradientContext) -> (forward: String, input: String, filter: String) {
    g.node.op.name.hasPrefix("Conv3D")
        ? ("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")
        : ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")
}

@Sendable func convolutionGradient(_ g: GradientContext) throws -> [Output?] {
    let attributes = sharedAttributes(g)
    return [
        g.op(names(g).input, g.shape(g.inputs[0]), g.inputs[1], g.gradient(), attributes: attributes),
        g.op(names(g).filter, g.inputs[0], g.shape(g.inputs[1]), g.gradient(), attributes: attributes),
    ]
}

@Sendable func convolutionInputGradient(_ g: GradientContext) throws -> [Output?] {
    let attributes = sharedAttributes(g)
    return [
        nil, g.op(names(g).filter, g.gradient(), g.shape(g.inputs[1]), g.inputs[2], attributes: attributes),
        g.op(names(g).forward, g.gradient(), g.inputs[1], attributes: attributes),
    ]
}

@Sendable func convolutionFilterGradient(_ g: GradientContext) throws -> [Output?] {
    let attributes = sharedAttributes(g)
    return [
        g.op(names(g).input, g.shape(g.inputs[0]), g.gradient(), g.inputs[2], attributes: attributes), nil,
        g.op(names(g).forward, g.inputs[0], g.gradient(), attributes: attributes),
    ]
}

func convolutionKernel(
    _ request: KernelRequest, _ result: ConvolutionResult, spatialRank: Int, isDepthwise: Bool = false
) throws -> Kernel {
    let node = ConvolutionNode(
        result: result, attributes: try ConvolutionAttributes(request.attributes, spatialRank: spatialRank),
        isDepthwise: isDepthwise, op: request.op.name)
    switch try request.type("T") {
    case .float32: return .sync { try node.run($0, .float32, Float.self) }
    case .float64: return .sync { try node.run($0, .float64, Double.self) }
    case .int32: return .sync { try node.run($0, .int32, UInt32.self) }
    case .float16: return .sync { try node.runWidened($0, Float16.self) }
    case .bfloat16: return .sync { try node.runWidened($0, BFloat16.self) }
    default: throw request.unsupportedType("T")
    }
}

func cudaConvolutionKernel(
    _ request: KernelRequest, _ result: ConvolutionResult, spatialRank: Int, isDepthwise: Bool = false
) throws -> Kernel {
    let node = ConvolutionNode(
        result: result, attributes: try ConvolutionAttributes(request.attributes, spatialRank: spatialRank),
        isDepthwise: isDepthwise, op: request.op.name)
    let dtype = try request.type("T")
    let convolution = try CUDAConvolution(
        request, result, dtype, isDepthwise: isDepthwise, channelsFirst: node.attributes.channelsFirst)
    return .sync { context in
        let (shape, resultShape) = try node.plan(context)
        let made = try context.output(0, dtype, resultShape)
        try convolution.run(
            shape, result == .inputGradient ? made : context.input(0), result == .filterGradient ? made : context.input(1),
            result == .output ? made : context.input(2))
    }
}

/// A convolution node or the node of one of its gradients.
private struct ConvolutionNode: Sendable {
    let result: ConvolutionResult
    fileprivate let attributes: ConvolutionAttributes
    /// Whether each channel is convolved separately, with a filter `[height, width, channels, multiplier]`.
    let isDepthwise: Bool
    let op: String

    /// Returns the sizes and the shape of the result.
    func plan(_ context: borrowing KernelContext) throws -> (ConvolutionShape, Shape) {
        switch result {
        case .output:
            let input = context.shape(0)
            let filter = isDepthwise ? try attributes.grouped(context.shape(1), input, op: nil) : context.shape(1)
            let shape = try attributes.plan(input, filter)
            return (shape, try shape.outputShape())
        case .inputGradient:
            let sizes = try inputSizes(context.input(0), filter: context.shape(1), gradient: context.shape(2))
            return (try gradientPlan(sizes, context.shape(1), context.shape(2)), sizes)
        case .filterGradient:
            let sizes = try dimensions(context.input(1), "filter_sizes")
            return (try gradientPlan(context.shape(0), sizes, context.shape(2)), sizes)
        }
    }

    private func gradientPlan(_ input: Shape, _ filter: Shape, _ gradient: Shape) throws -> ConvolutionShape {
        if isDepthwise {
            let name = op.replacing("Conv2dNative", with: "Conv2D")
            return try attributes.plan(
                input, attributes.grouped(filter, input, op: name), outputGradient: gradient, op: name)
        }
        return try attributes.plan(
            input, filter, outputGradient: gradient, op: op.replacing("Backprop", with: "CustomBackprop"))
    }

    private func dimensions(_ tensor: Tensor, _ name: String) throws -> Shape {
        guard tensor.rank == 1 else {
            throw Status.invalidArgument("\(op): \(name) input must be 1-dim, not \(tensor.rank)")
        }
        let values = try tensor.integers(name)
        if let bad = values.first(where: { $0 < 0 }) { throw Status.invalidArgument("Dimension \(bad) must be >= 0") }
        return try Shape(validating: values)
    }

    /// Returns the input's shape. `input_sizes` may hold only the spatial dimensions; the others then follow from the filter
    /// and the gradient.
    private func inputSizes(_ tensor: Tensor, filter: Shape, gradient: Shape) throws -> Shape {
        let sizes = try dimensions(tensor, "input_sizes")
        let (rank, full) = (attributes.spatialRank, attributes.spatialRank + 2)
        if sizes.rank == full { return sizes }
        guard sizes.rank == rank else {
            throw Status.invalidArgument(
                "\(op) requires input_sizes to contain \(full) values or \(rank) values, but got: \(sizes.rank)")
        }
        guard filter.rank == full, gradient.rank == full else {
            throw Status.invalidArgument("\(op): filter and out_backprop must be \(full)-dimensional")
        }
        let depth = filter[full - 2]
        return try Shape(
            validating: attributes.channelsFirst
                ? [gradient[0], depth] + sizes.dimensions : [gradient[0]] + sizes.dimensions + [depth])
    }

    func run<E: ConvolutionElement>(_ context: borrowing KernelContext, _ dtype: DType, _ type: E.Type) throws {
        let (shape, resultShape) = try plan(context)
        let made = try context.output(0, dtype, resultShape)
        try runConvolution(
            result, shape, result == .inputGradient ? made : context.input(0),
            result == .filterGradient ? made : context.input(1), result == .output ? made : context.input(2), E.self,
            context.pool)
    }

    func runWidened<E: FloatingElement>(_ context: borrowing KernelContext, _ type: E.Type) throws where E.Compute == Float {
        let (shape, resultShape) = try plan(context)
        let output = try context.output(0, E.dtype, resultShape)
        let made = try Tensor(.float32, resultShape)
        try runConvolution(
            result, shape, result == .inputGradient ? made : context.input(0).widened(from: E.self),
            result == .filterGradient ? made : context.input(1).widened(from: E.self),
            result == .output ? made : context.input(2).widened(from: E.self), Float.self, context.pool)
        output.narrow(from: made, to: E.self)
    }
}
