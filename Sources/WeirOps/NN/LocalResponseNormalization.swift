import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

private let lrnAttributes = [
    "depth_radius: int = 5", "bias: float = 1", "alpha: float = 1", "beta: float = 0.5",
    "T: {half, bfloat16, float} = float",
]
private let halves = DTypeSet(.float16, .bfloat16, .float32)

extension OpDefinition {
    /// Local response normalization: divides each element by a power of a norm over adjacent channels.
    static let lrn = OpDefinition("LRN", "(input: T) -> (output: T)", attributes: lrnAttributes)
        .shape { c in c.setOutput(0, try c.input(0).merging(.ofRank(4))) }
        .sharding { c in ShardingRule.independent(c, except: [3]) }
        .gradient { g in
            let names = ["depth_radius", "bias", "alpha", "beta"]
            let attributes = Attributes(g.attributes.values.filter { names.contains($0.key) })
            return [g.op("LRNGrad", g.gradient(), g.inputs[0], g.outputs[0], attributes: attributes)]
        }
        .kernel(["T": halves], gpu: ["T": DTypeSet(.float32)]) { try lrnKernel($0, isGradient: false) }
        .cuda { try cudaLRN($0, isGradient: false) }

    /// The gradient of `LRN`.
    static let lrnGrad = OpDefinition(
        "LRNGrad", "(input_grads: T, input_image: T, output_image: T) -> (output: T)", attributes: lrnAttributes
    )
    .shape { c in
        c.setOutput(0, try c.input(0).merging(c.input(1)).merging(c.input(2)).merging(.ofRank(4)))
    }
    .kernel(["T": halves], gpu: ["T": DTypeSet(.float32)]) { try lrnKernel($0, isGradient: true) }
    .cuda { try cudaLRN($0, isGradient: true) }
}

private func channelNorm(_ request: KernelRequest) throws -> ChannelNorm {
    let radius = try request.int("depth_radius")
    guard radius >= 0, radius <= Int(Int32.max) else {
        throw Status.invalidArgument("depth_radius = \(radius) larger than int max")
    }
    return ChannelNorm(
        radius: radius, bias: try request.float("bias"), alpha: try request.float("alpha"), beta: try request.float("beta"))
}

private func checkLRNShapes(_ context: borrowing KernelContext, isGradient: Bool) throws -> Shape {
    let shape = context.shape(0)
    guard shape.rank == 4 else {
        throw Status.invalidArgument(isGradient ? "input_grads must be 4-dimensional" : "in must be 4-dimensional")
    }
    guard !isGradient || (context.shape(1) == shape && context.shape(2) == shape) else {
        throw Status.invalidArgument("input_grads, input_image, and out_image should have the same shape")
    }
    return shape
}

private func cudaLRN(_ request: KernelRequest, isGradient: Bool) throws -> Kernel {
    let (norm, device) = (try channelNorm(request), try request.cudaDevice())
    let module = try request.cudaModule("LRN", ["T": "float"], ChannelNorm.cuda)
    let numbers: [CUDAArgument] = [.int(norm.radius), .float(norm.bias), .float(norm.alpha), .float(norm.beta)]
    return .sync { context in
        let shape = try checkLRNShapes(context, isGradient: isGradient)
        let output = try context.output(0, .float32, shape)
        let count = shape.elementCount
        guard count > 0 else { return }
        let sizes: [CUDAArgument] = [.int(count), .int(shape[3])]
        if !isGradient {
            return try device.launch(
                module.function("normalize"), over: count, [.elements(context.input(0)), .elements(output)] + sizes + numbers)
        }
        let (dy, x, y) = (context.input(0), context.input(1), context.input(2))
        let (norms, ratios) = (try Tensor(.float32, shape, in: context.allocator), try Tensor(.float32, shape, in: context.allocator))
        try device.launch(
            module.function("ratios"), over: count, [dy, x, y, norms, ratios].map { .elements($0) } + sizes + numbers)
        try device.launch(
            module.function("gradient"), over: count, [dy, x, norms, ratios, output].map { .elements($0) } + sizes + numbers)
    }
}

private func lrnKernel(_ request: KernelRequest, isGradient: Bool) throws -> Kernel {
    let norm = try channelNorm(request)
    func make<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
        .sync { context in
            let shape = try checkLRNShapes(context, isGradient: isGradient)
            let output = try context.output(0, E.dtype, shape)
            guard shape.elementCount > 0 else { return }
            let inputs = try (0..<(isGradient ? 3 : 1)).map { try context.input($0).widened(from: E.self) }
            let result = E.self == Float.self ? output : try Tensor(.float32, shape)
            defer { keepAlive((inputs, result)) }
            norm.run(inputs.map { $0.elements(Float.self).start }, result.mutableElements(Float.self).start, shape, context.pool)
            if E.self != Float.self { output.narrow(from: result, to: E.self) }
        }
    }
    switch try request.type("T") {
    case .float32: return make(Float.self)
    case .float16: return make(Float16.self)
    case .bfloat16: return make(BFloat16.self)
    default: throw request.unsupportedType("T")
    }
}

private struct ChannelNorm: Sendable {
    let radius: Int
    let bias: Float
    let alpha: Float
    let beta: Float

    /// The kernels, with one thread for an element. Sums begin with the nearest channels, as on a CPU.
    static let cuda = """
        template <class F> DEVICE float window(int64 channel, int64 channels, int64 radius, const F& value) {
            float sum = value(channel);
            for (int64 d = 1; d <= radius && d < channels; d++) {
                if (channel + d < channels) sum += value(channel + d);
                if (channel >= d) sum += value(channel - d);
            }
            return sum;
        }
        DEVICE float norm(const float* x, int64 channel, int64 channels, int64 radius, float bias, float alpha) {
            return fmaf(alpha, window(channel, channels, radius, [&](int64 c) { return x[c] * x[c]; }), bias);
        }
        DEVICE float power(float norm, float beta) {
            if (beta == 0.5f) return 1 / sqrtf(norm);
            if (beta == 1) return 1 / norm;
            return powf(norm, -beta);
        }
        KERNEL normalize(const float* x, float* y, int64 count, int64 channels, int64 radius, float bias, float alpha, float beta) {
            for (int64 n = first(); n < count; n += stride()) {
                int64 channel = n % channels;
                y[n] = x[n] * power(norm(x + n - channel, channel, channels, radius, bias, alpha), beta);
            }
        }
        KERNEL ratios(
            const float* dy, const float* x, const float* y, float* norms, float* out, int64 count, int64 channels, int64 radius, float bias,
            float alpha, float beta
        ) {
            for (int64 n = first(); n < count; n += stride()) {
                int64 channel = n % channels;
                norms[n] = norm(x + n - channel, channel, channels, radius, bias, alpha);
                out[n] = dy[n] * y[n] / norms[n];
            }
        }
        KERNEL gradient(
            const float* dy, const float* x, const float* norms, const float* ratios, float* dx, int64 count, int64 channels, int64 radius,
            float bias, float alpha, float beta
        ) {
            for (int64 n = first(); n < count; n += stride()) {
                int64 channel = n % channels;
                const float* own = ratios + n - channel;
                float sum = window(channel, channels, radius, [&](int64 c) { return own[c]; });
                dx[n] = dy[n] * power(norms[n], beta) + -2 * alpha * beta * x[n] * sum;
            }
        }
        """

    /// Processes all pixels. `inputs` is the image alone; for the gradient it is the output's gradient, the image and the
    /// output.
    func run(_ inputs: [UnsafePointer<Float>], _ result: UnsafeMutablePointer<Float>, _ shape: Shape, _ pool: ComputePool) {
        let channels = shape[3], pixels = shape.elementCount / channels
        let work = channels * min(2 * radius + 1, 2 * channels)
        pool.parallelFor(pixels, grain: max(1, (1 << 15) / work)) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * channels) { scratch in
                let first = scratch.start, second = first + channels, third = second + channels
                for pixel in range {
                    let start = pixel * channels
                    if inputs.count == 1 {
                        normalize(inputs[0] + start, result + start, channels, first, second)
                    } else {
                        gradient(
                            inputs[0] + start, inputs[1] + start, inputs[2] + start, result + start, channels, first, second, third)
                    }
                }
            }
        }
    }

    /// Computes for each channel the sum over the channels within `radius`.
    private func window(_ x: UnsafePointer<Float>, _ channels: Int, _ sums: UnsafeMutablePointer<Float>) {
        sums.update(from: x, count: channels)
        for distance in 1..<max(1, min(radius + 1, channels)) {
            let rest = channels &- distance
            for channel in 0..<rest { sums[channel] += x[channel &+ distance] }
            for channel in 0..<rest { sums[channel &+ distance] += x[channel] }
        }
    }

    /// Writes `bias + alpha · (sum of squares)` for each channel to `norms`.
    private func norms(
        _ x: UnsafePointer<Float>, _ channels: Int, _ squares: UnsafeMutablePointer<Float>, _ norms: UnsafeMutablePointer<Float>
    ) {
        for channel in 0..<channels { squares[channel] = x[channel] * x[channel] }
        window(squares, channels, norms)
        for channel in 0..<channels { norms[channel] = bias.addingProduct(alpha, norms[channel]) }
    }

    /// Computes each norm to the power of -beta.
    private func power(_ norms: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ count: Int) {
        if beta == 0.5 {
            for index in 0..<count { out[index] = 1 / norms[index].squareRoot() }
        } else if beta == 1 {
            for index in 0..<count { out[index] = 1 / norms[index] }
        } else {
            VectorMath.map(norms, out, count) { VectorMath.exp(VectorMath.log($0) * -beta) }
        }
    }

    private func normalize(
        _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ channels: Int,
        _ squares: UnsafeMutablePointer<Float>, _ norm: UnsafeMutablePointer<Float>
    ) {
        norms(x, channels, squares, norm)
        power(norm, squares, channels)
        for channel in 0..<channels { y[channel] = x[channel] * squares[channel] }
    }

    private func gradient(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
        _ channels: Int, _ first: UnsafeMutablePointer<Float>, _ norm: UnsafeMutablePointer<Float>,
        _ sums: UnsafeMutablePointer<Float>
    ) {
        norms(x, channels, first, norm)
        for channel in 0..<channels { first[channel] = dy[channel] * y[channel] / norm[channel] }
        window(first, channels, sums)
        power(norm, first, channels)
        let scale = -2 * alpha * beta
        for channel in 0..<channels { dx[channel] = dy[channel] * first[channel] + scale * x[channel] * sums[channel] }
    }
}
