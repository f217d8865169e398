public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The maximum of two operands; NaN if either is NaN.
    static let maximum = extreme("Maximum", "GreaterEqual", cuda: "greater(x, y)") { .real(Functions.Greatest.self, $0) }
        .knownValue { c in c.elementwise(max) }
    /// The minimum of two operands; NaN if either is NaN.
    static let minimum = extreme("Minimum", "LessEqual", cuda: "lesser(x, y)") { .real(Functions.Least.self, $0) }
        .knownValue { c in c.elementwise(min) }

    private static func extreme(
        _ name: String, _ comparison: String, cuda expression: String, _ loop: @escaping @Sendable (DType) -> BinaryLoop?
    ) -> OpDefinition {
        binary(
            name, "T: {bfloat16, half, float, double, int8, uint8, int16, uint16, int32, uint32, int64, uint64}",
            cpu: .real, gpu: .real, loop
        )
        .cuda(expression)
        .gradient { g in
            // For equal operands the whole gradient goes to the first.
            let isFirst = g.op(comparison, g.inputs[0], g.inputs[1])
            let zero = g.op("ZerosLike", g.gradient())
            return g.unbroadcast(
                g.op("SelectV2", isFirst, g.gradient(), zero), g.op("SelectV2", isFirst, zero, g.gradient()))
        }
    }

    /// x clamped between two bounds, each a scalar or of the shape of x.
    static let clipByValue = OpDefinition(
        "ClipByValue", "(t: T, clip_value_min: T, clip_value_max: T) -> (output: T)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
            + "uint16, complex128, half, uint32, uint64}"
    )
    .shape(ShapeFunctions.unchanged)
    .sharding(ShardingRule.elementwise)
    .gradient { g in
        let (x, low, high) = (g.inputs[0], g.inputs[1], g.inputs[2])
        let (isLow, isHigh) = (g.op("Less", x, low), g.op("Greater", x, high))
        let zero = g.op("ZerosLike", g.gradient())
        let lowFlow = g.op("SelectV2", isLow, g.gradient(), zero)
        let highFlow = g.op("SelectV2", isHigh, g.gradient(), zero)
        return [
            g.op("SelectV2", g.op("LogicalOr", isLow, isHigh), zero, g.gradient()),
            g.unbroadcast(lowFlow, to: low, other: x), g.unbroadcast(highFlow, to: high, other: x),
        ]
    }
    .kernels(
        cpu: .real, gpu: .real, int32OnHost: ["t", "clip_value_min", "clip_value_max", "output"], make: clipKernel
    )
    .cuda { request in
        let type = try request.type("T")
        let clip = try CUDAElementwise(request.cudaDevice(), request.op.name, [type, type, type], type, "greater(lesser(x, z), y)")
        return .sync { context in
            _ = try clipSteps(context)
            let inputs = [context.input(0), context.input(1), context.input(2)]
            try clip.run(inputs, nil, try context.output(0, type, inputs[0].shape))
        }
    }
}

/// How the two bounds are used: each has the shape of the operand, or one element.
private func clipSteps(_ context: borrowing KernelContext) throws -> (low: ScalarOperand, high: ScalarOperand) {
    let shape = context.shape(0)
    let bounds = (context.shape(1), context.shape(2))
    func step(_ bound: Shape) -> ScalarOperand? { bound == shape ? .both : bound.elementCount == 1 ? .rightScalar : nil }
    guard let low = step(bounds.0), let high = step(bounds.1) else {
        throw Status.invalidArgument(
            "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar. "
                + "input shape: \(shape)clip_value_min shape: \(bounds.0)clip_value_max shape: \(bounds.1)")
    }
    return (low, high)
}

@Sendable private func clipKernel(_ request: KernelRequest) throws -> Kernel {
    let type = try request.type("T")
    guard let least = BinaryLoop.real(Functions.Least.self, type), let greatest = BinaryLoop.real(Functions.Greatest.self, type)
    else { throw request.unsupportedType("T") }
    return .sync { context in
        let shape = context.shape(0)
        let (lowStep, highStep) = try clipSteps(context)
        let (x, low, high) = (context.firstByte(0), context.firstByte(1), context.firstByte(2))
        let out = try context.output(0, type, shape, reusing: 0).mutableFirstByte
        let size = type.byteCount
        context.pool.parallelFor(shape.elementCount, grain: Grain.cheap) { range in
            // Works in blocks, so that the second pass finds its operand in the cache.
            for start in stride(from: range.lowerBound, to: range.upperBound, by: 2048) {
                let count = min(2048, range.upperBound - start)
                let (lowAt, highAt) = (lowStep == .both ? start * size : 0, highStep == .both ? start * size : 0)
                least.apply(x + start * size, high + highAt, out + start * size, count, highStep)
                greatest.apply(out + start * size, low + lowAt, out + start * size, count, lowStep)
            }
        }
    }
}

extension Output {
    /// Returns the maximum of this and another operand, with broadcasting (Maximum).
    public func maximum(_ other: Output) -> Output { builder.add("Maximum", [self, other])[0] }
    /// Returns the maximum of each element and a number.
    public func maximum(_ other: Double) -> Output { maximum(scalar(other)) }
    /// Returns the minimum of this and another operand, with broadcasting (Minimum).
    public func minimum(_ other: Output) -> Output { builder.add("Minimum", [self, other])[0] }
    /// Returns the minimum of each element and a number.
    public func minimum(_ other: Double) -> Output { minimum(scalar(other)) }
    /// Returns each element clamped between two bounds (ClipByValue).
    public func clipped(from low: Output, to high: Output) -> Output { builder.add("ClipByValue", [self, low, high])[0] }
    /// Returns each element clamped between two numbers.
    public func clipped(from low: Double, to high: Double) -> Output { clipped(from: scalar(low), to: scalar(high)) }
}
