import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The mean and the sum of squared distances of each channel. A thread sums distances from its first element, which loses nothing of
/// a small variance around a large mean; parts are joined by their means.
private let momentsFields = "float count, mean, squares, sum;"
private let moments = (
    zero: "a.count = 0; a.mean = 0; a.squares = 0; a.sum = 0;",
    add: """
    if (a.count == 0) a.mean = x;
    float d = x - a.mean;
    a.count += 1;
    a.sum += d;
    a.squares = fmaf(d, d, a.squares);
    """,
    close: """
    if (a.count == 0) return;
    float shift = a.sum / a.count;
    a.squares = fmaxf(fmaf(-a.sum, shift, a.squares), 0) + (a.squares - a.squares);
    a.mean += shift;
    """,
    merge: """
    if (b.count == 0) return;
    if (a.count == 0) { a = b; return; }
    float count = a.count + b.count, d = b.mean - a.mean, share = b.count / count;
    a.mean = fmaf(d, share, a.mean);
    a.squares += b.squares + d * d * share * a.count;
    a.count = count;
    """
)

func cudaBatchNormKernel(_ request: KernelRequest, _ node: BatchNormNode) throws -> Kernel {
    let dtype = try request.type("T"), device = try request.cudaDevice()
    let hasSide = request.inputTypes.count > 5
    let (epsilon, factor) = (Double(node.epsilon).cudaLiteral, Double(node.factor).cudaLiteral)
    let sum = "fmaf(x - c.mean, c.factor, c.offset)" + (hasSide ? " + y" : "")
    let normalize = try CUDAChannelwise(
        request, inputs: [dtype] + (hasSide ? [dtype] : []), vectors: [.float32, .float32, .float32, .float32], result: dtype,
        fields: "float mean, factor, offset;",
        prepare: "c.mean = p2; c.factor = p0 / sqrtf(p3 + (float)\(epsilon)); c.offset = p1;",
        expression: node.activation == "Relu" ? "greater(\(sum), 0.0f)" : sum)
    let finish = """
        float mean = a.mean, variance = a.squares / (float)count;
        float unbiased = variance * ((float)count / (float)(count > 1 ? count - 1 : 1)), factor = (float)\(factor);
        saved_mean[channel] = mean;
        saved_variance[channel] = variance;
        running_mean[channel] = factor == 1 ? mean : (1 - factor) * old_mean[channel] + factor * mean;
        running_variance[channel] = factor == 1 ? unbiased : (1 - factor) * old_variance[channel] + factor * unbiased;
        """
    let sums =
        !node.isTraining
        ? nil
        : try CUDAChannelSums(
            request, inputs: [dtype],
            .init(
                fields: momentsFields, byteCount: 16, zero: moments.zero, add: moments.add, close: moments.close, merge: moments.merge,
                results: ", const float* old_mean, const float* old_variance, float* running_mean, float* running_variance, "
                    + "float* saved_mean, float* saved_variance",
                finish: finish))
    return .sync { context in
        let layout = try node.check(context)
        let x = context.input(0), channels = Shape(layout.channels)
        for index in 5..<max(5, context.inputCount) { try node.checkSide(context.input(index), x.shape) }
        let y = try context.output(0, dtype, x.shape)
        let outputs = try (1...4).map { try context.output($0, .float32, channels) }
        if node.hasReserve { try device.fill(try context.output(5, .float32, .scalar)) }
        guard x.elementCount > 0 else {
            // These bits are a NaN.
            for output in outputs { try device.fill(output, byte: 0xff) }
            return
        }
        let given = [context.input(3), context.input(4)]
        if let sums {
            try sums.run(layout, [x], results: (given + outputs).map { .elements($0) })
        } else {
            for (index, output) in outputs.enumerated() { try device.copy(from: given[index % 2], to: output) }
        }
        let inputs = [x] + (5..<max(5, context.inputCount)).map { context.input($0) }
        try normalize.run(layout, inputs, [context.input(1), context.input(2)] + outputs[2...], y)
    }
}

func cudaBatchNormGradKernel(_ request: KernelRequest, _ node: BatchNormGradNode) throws -> Kernel {
    let dtype = try request.type("T"), device = try request.cudaDevice()
    let epsilon = Double(node.epsilon).cudaLiteral
    let sums = try CUDAChannelSums(
        request, inputs: [dtype, dtype], vectors: [.float32],
        .init(
            fields: "float flow, product;", byteCount: 8, zero: "a.flow = 0; a.product = 0;",
            add: "a.flow += x; a.product = fmaf(x, y - p0, a.product);", merge: "a.flow += b.flow; a.product += b.product;",
            results: ", const float* variance, float* scale_gradient, float* offset_gradient",
            finish: """
                scale_gradient[channel] = a.product * (1 / sqrtf(variance[channel] + (float)\(epsilon)));
                offset_gradient[channel] = a.flow;
                """))
    let apply = try CUDAChannelwise(
        request, inputs: [dtype, dtype], vectors: [.float32, .float32, .float32, .float32, .float32], result: dtype,
        fields: "float factor, flow, mean, slope;",
        prepare: """
            float inverse = 1 / sqrtf(p2 + (float)\(epsilon));
            c.factor = p0 * inverse;
            c.mean = p1;
            c.flow = \(node.isTraining ? "p4 / (float)count" : "0");
            c.slope = \(node.isTraining ? "p3 * inverse / (float)count" : "0");
            """,
        expression: "c.factor * (x - c.flow - (y - c.mean) * c.slope)")
    return .sync { context in
        let layout = try node.check(context)
        let (flow, x) = (context.input(0), context.input(1)), channels = Shape(layout.channels)
        let output = try context.output(0, dtype, x.shape)
        let (scale, offset) = (try context.output(1, .float32, channels), try context.output(2, .float32, channels))
        // Two empty outputs, which only older GPU kernels of TensorFlow filled.
        _ = try context.output(3, .float32, Shape(0))
        _ = try context.output(4, .float32, Shape(0))
        guard x.elementCount > 0 else {
            try device.fill(scale)
            try device.fill(offset)
            return
        }
        let variance = context.input(4)
        try sums.run(layout, [flow, x], [context.input(3)], results: [.elements(variance), .elements(scale), .elements(offset)])
        try apply.run(layout, [flow, x], [context.input(2), context.input(3), variance, scale, offset], output)
    }
}
