import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

private let floatTypes = "T: {half, bfloat16, float, double}"

extension OpDefinition {
    /// Softmax, `exp(x) / sum(exp(x))`, along the last dimension.
    static let softmax = OpDefinition("Softmax", "(logits: T) -> (softmax: T)", floatTypes)
        .shape(softmaxShape)
        .sharding { c in ShardingRule.independent(c, except: [(c.input(0).rank ?? 0) - 1]) }
        .gradient { g in
            let softmax = g.outputs[0]
            let sum = lastAxisSum(g, g.op("Mul", g.gradient(), softmax))
            return [g.op("Mul", g.op("Sub", g.gradient(), sum), softmax)]
        }
        .kernel(["T": .floating], gpu: ["T": .floating]) { try softmaxKernel($0, logarithmic: false) }
        .cuda { try cudaSoftmax($0, logarithmic: false) }

    /// Log-softmax, `x - log(sum(exp(x)))`, along the last dimension.
    static let logSoftmax = OpDefinition("LogSoftmax", "(logits: T) -> (logsoftmax: T)", floatTypes)
        .shape(softmaxShape)
        .sharding { c in ShardingRule.independent(c, except: [(c.input(0).rank ?? 0) - 1]) }
        .gradient { g in
            let softmax = g.op("Exp", g.outputs[0])
            return [g.op("Sub", g.gradient(), g.op("Mul", lastAxisSum(g, g.gradient()), softmax))]
        }
        .kernel(["T": .floating], gpu: ["T": .floating]) { try softmaxKernel($0, logarithmic: true) }
        .cuda { try cudaSoftmax($0, logarithmic: true) }
}

@Sendable private func softmaxShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, atLeast: 1)
    c.setOutput(0, c.input(0))
}

/// Returns the sum along the last dimension, which is kept as 1.
func lastAxisSum(_ g: GradientContext, _ value: Output) -> Output {
    g.op("Sum", value, g.constant([-1]), attributes: ["keep_dims": true])
}

private func softmaxKernel(_ request: KernelRequest, logarithmic: Bool) throws -> Kernel {
    switch try request.type("T") {
    case .float32: return softmax(Float.self, logarithmic)
    case .float64: return softmax(Double.self, logarithmic)
    case .float16: return softmaxWidened(Float16.self, logarithmic)
    case .bfloat16: return softmaxWidened(BFloat16.self, logarithmic)
    default: throw request.unsupportedType("T")
    }
}

private func cudaSoftmax(_ request: KernelRequest, logarithmic: Bool) throws -> Kernel {
    let dtype = try request.type("T")
    let body =
        logarithmic
        ? """
        C logarithm = log(sum);
        for (int64 i = lane; i < width; i += lanes) out[row * width + i] = narrow<T>((isKept ? at(i) : at(i) - largest) - logarithm);
        """
        : """
        C scale = 1 / sum;
        for (int64 i = lane; i < width; i += lanes) out[row * width + i] = narrow<T>((isKept ? at(i) : exp(at(i) - largest)) * scale);
        """
    let program = try CUDARows(
        request, dtype, parameters: ", const T* x, T* out", load: "widen(x[row * width + column])",
        body: CUDARows.largest + CUDARows.sum(keeps: logarithmic ? "distance" : "exponential") + body)
    return .sync { context in
        let x = context.input(0)
        try checkSoftmaxShape(x.shape)
        let output = try context.output(0, dtype, x.shape, reusing: 0)
        guard x.elementCount > 0 else { return }
        let width = x.dimension(x.rank - 1)
        try program.run(x.elementCount / width, width, [.elements(x), .elements(output)])
    }
}

private func checkSoftmaxShape(_ shape: Shape) throws {
    guard shape.rank >= 1 else { throw Status.invalidArgument("logits must have >= 1 dimension, got \(shape)") }
}

private func softmax<E: SoftmaxElement>(_ type: E.Type, _ logarithmic: Bool) -> Kernel {
    .sync { context in
        let shape = context.shape(0)
        try checkSoftmaxShape(shape)
        let x = context.elements(0, E.self)
        let output = try context.output(0, E.dtype, shape, reusing: 0).mutableElements(E.self)
        softmaxRows(x, output, shape, logarithmic, context.pool)
    }
}

private func softmaxWidened<E: FloatingElement>(_ type: E.Type, _ logarithmic: Bool) -> Kernel where E.Compute == Float {
    .sync { context in
        let shape = context.shape(0)
        try checkSoftmaxShape(shape)
        let wide = try context.input(0).widened(from: E.self)
        let output = try context.output(0, E.dtype, shape, reusing: 0)
        defer { keepAlive(wide) }
        softmaxRows(wide.elements(Float.self), wide.mutableElements(Float.self), shape, logarithmic, context.pool)
        output.narrow(from: wide, to: E.self)
    }
}

private func softmaxRows<E: SoftmaxElement>(
    _ x: UnsafeBufferPointer<E>, _ out: UnsafeMutableBufferPointer<E>, _ shape: Shape, _ logarithmic: Bool, _ pool: ComputePool
) {
    guard x.count > 0 else { return }
    let width = shape[shape.rank - 1]
    pool.parallelFor(x.count / width, grain: max(1, activationGrain / width)) { rows in
        for row in rows {
            let (source, target) = (x.start + row * width, out.start + row * width)
            let largest = E.maximum(source, width)
            if logarithmic {
                let logarithm = E.logarithm(E.exponentialSum(source, largest, width))
                // Subtracts twice, so that a large maximum does not absorb the logarithm in rounding.
                for index in 0..<width { target[index] = E.minus(E.minus(source[index], largest), logarithm) }
            } else {
                let sum = E.exponentials(source, largest, target, width)
                let scale = E.dividedBy(.one, sum)
                for index in 0..<width { target[index] = E.times(target[index], scale) }
            }
        }
    }
}

extension Output {
    /// Returns `exp(x) / sum(exp(x))` along the last dimension (Softmax).
    public func softmax() -> Output { builder.add("Softmax", [self])[0] }
    /// Returns the logarithm of `softmax()`, computed without loss of precision (LogSoftmax).
    public func logSoftmax() -> Output { builder.add("LogSoftmax", [self])[0] }
}
