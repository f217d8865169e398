import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

private let imageAttributes = [
    "ksize: list(int) >= 4", "strides: list(int) >= 4", "padding: {'SAME', 'VALID'}",
    "data_format: {'NHWC', 'NCHW'} = 'NHWC'", "T: {half, bfloat16, float, double}",
]

extension OpDefinition {
    /// The mean of each window. Positions beyond the edges are not counted.
    static let avgPool = OpDefinition("AvgPool", "(value: T) -> (output: T)", attributes: imageAttributes)
        .shape { c in c.setOutput(0, try PoolAttributes(c.attributes, spatialRank: 2).partial(c.input(0))) }
        .sharding(ShardingRule.pooling)
        .gradient { g in averageGradient(g, "AvgPoolGrad") }
        .kernel(["T": .floating], gpu: ["T": .floating]) { try averageKernel($0, spatialRank: 2) }
        .cuda { try cudaAverageKernel($0, spatialRank: 2) }

    /// The gradient of `AvgPool`.
    static let avgPoolGrad = OpDefinition(
        "AvgPoolGrad", "(orig_input_shape: int32, grad: T) -> (output: T)", attributes: imageAttributes
    )
    .shape { c in averageGradientShape(&c, 4) }
    .gradient { g in [nil, g.op("AvgPool", g.gradient(), attributes: poolAttributes(g, explicit: false))] }
    .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["orig_input_shape"]) {
        try averageGradientKernel($0, spatialRank: 2)
    }
    .cuda { try cudaAverageGradientKernel($0, spatialRank: 2) }
}

func averageGradient(_ g: GradientContext, _ op: String) -> [Output?] {
    [g.op(op, g.shape(g.inputs[0]), g.gradient(), attributes: poolAttributes(g, explicit: false))]
}

func averageGradientShape(_ c: inout ShapeContext, _ rank: Int) {
    let shape = c.constantShape(0)
    c.setOutput(0, shape.rank == rank ? shape : .ofRank(rank))
}

private func averageAttributes(_ request: KernelRequest, _ spatialRank: Int) throws -> PoolAttributes {
    if let bad = try request.ints("ksize").first(where: { $0 <= 0 }) {
        throw Status.invalidArgument("ksize must be a positive int32 value, got:\(bad)")
    }
    let attributes = try PoolAttributes(request.attributes, spatialRank: spatialRank)
    try attributes.requireSpatial("Non-spatial pooling is not yet supported. Volunteers? :)")
    return attributes
}

func averageKernel(_ request: KernelRequest, spatialRank: Int) throws -> Kernel {
    let attributes = try averageAttributes(request, spatialRank)
    func exact<E: FloatingElement>(_ type: E.Type) -> Kernel {
        .sync { context in
            let (shape, outputShape) = try attributes.plan(context.shape(0))
            let output = try context.output(0, E.dtype, outputShape)
            guard outputShape.elementCount > 0 else { return }
            averageWindows(shape, context.elements(0, E.self).start, output.mutableElements(E.self).start, context.pool)
        }
    }
    func widened<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
        .sync { context in
            let (shape, outputShape) = try attributes.plan(context.shape(0))
            let output = try context.output(0, E.dtype, outputShape)
            guard outputShape.elementCount > 0 else { return }
            let (value, mean) = (try context.input(0).widened(from: E.self), try Tensor(.float32, outputShape))
            defer { keepAlive((value, mean)) }
            averageWindows(shape, value.elements(Float.self).start, mean.mutableElements(Float.self).start, context.pool)
            output.narrow(from: mean, to: E.self)
        }
    }
    switch try request.type("T") {
    case .float32: return exact(Float.self)
    case .float64: return exact(Double.self)
    case .float16: return widened(Float16.self)
    case .bfloat16: return widened(BFloat16.self)
    default: throw request.unsupportedType("T")
    }
}

/// Checks the shapes of a gradient; returns the sizes and the input's shape.
private func averageGradientPlan(_ context: borrowing KernelContext, _ attributes: PoolAttributes) throws -> (PoolShape, Shape) {
    let rank = attributes.spatialRank + 2
    let sizes = context.input(0), gradient = context.shape(1)
    guard sizes.rank == 1, sizes.elementCount == rank else {
        throw Status.invalidArgument("\(rank == 4 ? "out_backprop" : "tensor_in") must be 1-dimensional and \(rank) elements")
    }
    guard gradient.rank == rank else { throw Status.invalidArgument("out_backprop must be \(rank)-dimensional") }
    let values = try sizes.integers("orig_input_shape")
    if let bad = values.first(where: { $0 < 0 }) { throw Status.invalidArgument("Expected a non-negative size, got \(bad)") }
    let inputShape = try Shape(validating: values)
    let (shape, expected) = try attributes.plan(inputShape)
    guard gradient == expected else {
        throw Status.invalidArgument("Expected grad shape to be \(expected), but got \(gradient)")
    }
    return (shape, inputShape)
}

func cudaAverageKernel(_ request: KernelRequest, spatialRank: Int) throws -> Kernel {
    let (attributes, dtype) = (try averageAttributes(request, spatialRank), try request.type("T"))
    let pool = try CUDAPool(request, dtype)
    return .sync { context in
        let (shape, outputShape) = try attributes.plan(context.shape(0))
        try pool.means(shape, context.input(0), try context.output(0, dtype, outputShape))
    }
}

func cudaAverageGradientKernel(_ request: KernelRequest, spatialRank: Int) throws -> Kernel {
    let (attributes, dtype) = (try averageAttributes(request, spatialRank), try request.type("T"))
    let pool = try CUDAPool(request, dtype)
    return .sync { context in
        let (shape, inputShape) = try averageGradientPlan(context, attributes)
        try pool.meansGradient(shape, context.input(1), try context.output(0, dtype, inputShape))
    }
}

func averageGradientKernel(_ request: KernelRequest, spatialRank: Int) throws -> Kernel {
    let attributes = try averageAttributes(request, spatialRank)
    func exact<E: FloatingElement>(_ type: E.Type) -> Kernel {
        .sync { context in
            let (shape, inputShape) = try averageGradientPlan(context, attributes)
            let output = try context.output(0, E.dtype, inputShape)
            avgPoolGradient(shape, context.elements(1, E.self).start, output.mutableElements(E.self).start, context.pool)
        }
    }
    func widened<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
        .sync { context in
            let (shape, inputShape) = try averageGradientPlan(context, attributes)
            let output = try context.output(0, E.dtype, inputShape)
            let (flow, result) = (try context.input(1).widened(from: E.self), try Tensor(.float32, inputShape))
            defer { keepAlive((flow, result)) }
            avgPoolGradient(shape, flow.elements(Float.self).start, result.mutableElements(Float.self).start, context.pool)
            output.narrow(from: result, to: E.self)
        }
    }
    switch try request.type("T") {
    case .float32: return exact(Float.self)
    case .float64: return exact(Double.self)
    case .float16: return widened(Float16.self)
    case .bfloat16: return widened(BFloat16.self)
    default: throw request.unsupportedType("T")
    }
}

private func averageWindows<E: FloatingElement>(
    _ shape: PoolShape, _ input: UnsafePointer<E>, _ output: UnsafeMutablePointer<E>, _ pool: ComputePool
) {
    let channels = shape.channels
    pool.parallelFor(shape.batch, grain: shape.grain) { images in
        for image in images {
            let source = input + image * shape.input.volume * channels
            let target = output + image * shape.output.volume * channels
            shape.forEachWindow { number, from, to in
                let sum = target + number &* channels
                sum.update(repeating: .zero, count: channels)
                shape.forEachPixel(from, to) { pixel in
                    let values = source + pixel &* channels
                    for channel in 0..<channels { sum[channel] = E.plus(sum[channel], values[channel]) }
                }
                let count = E(number: Double((to &- from).volume))
                for channel in 0..<channels { sum[channel] = E.dividedBy(sum[channel], count) }
            }
        }
    }
}

/// Distributes the gradient of each mean equally to the elements of its window.
private func avgPoolGradient<E: FloatingElement>(
    _ shape: PoolShape, _ gradient: UnsafePointer<E>, _ result: UnsafeMutablePointer<E>, _ pool: ComputePool
) {
    let channels = shape.channels
    let (inputSize, outputSize) = (shape.input.volume * channels, shape.output.volume * channels)
    guard inputSize > 0 else { return }
    pool.parallelFor(shape.batch, grain: shape.grain) { images in
        for image in images {
            let target = result + image * inputSize, flow = gradient + image * outputSize
            target.update(repeating: .zero, count: inputSize)
            shape.forEachWindow { number, from, to in
                let share = E.dividedBy(.one, E(number: Double((to &- from).volume)))
                let values = flow + number &* channels
                shape.forEachPixel(from, to) { pixel in
                    let sum = target + pixel &* channels
                    for channel in 0..<channels { sum[channel] = E.plus(sum[channel], E.times(values[channel], share)) }
                }
            }
        }
    }
}

extension Output {
    /// Returns the mean of each window over height and width (AvgPool).
    public func avgPool(window: (Int, Int), strides: (Int, Int), padding: Padding = .valid) -> Output {
        builder.add(
            "AvgPool", [self],
            attributes: [
                "ksize": .ints([1, window.0, window.1, 1]), "strides": .ints([1, strides.0, strides.1, 1]),
                "padding": padding.attribute,
            ])[0]
    }
}
