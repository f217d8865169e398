public import WeirGraph
import WeirKernels
public import WeirTensor

// Ops that output the shape of a tensor. Their outputs are in host memory, because other ops read shapes there.

extension OpDefinition {
    /// Outputs the dimensions of a tensor.
    static let shape = OpDefinition(
        "Shape", "(input: T) -> (output: out_type)", "T: type", "out_type: {int32, int64} = int32"
    )
    .readingOnlyShapes()
    .shape { c in c.setOutput(0, .vector(c.input(0).rank)) }
    .sharding(shapeSharding)
    .knownValue { c in c.shape(0).dimensions.flatMap { c.result($0, Shape($0.count)) } }
    .noGradient()
    .kernel(
        gpu: ["T": [.gpuMovable, DTypeSet(.variant, .string)]], hostMemory: ["output"], make: shapeKernel
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "output"], make: shapeKernel)

    /// Outputs the dimensions of several tensors.
    static let shapeN = OpDefinition(
        "ShapeN", "(input: N * T) -> (output: N * out_type)", "N: int >= 1", "T: type",
        "out_type: {int32, int64} = int32"
    )
    .readingOnlyShapes()
    .shape { c in
        for index in c.outputs.indices { c.setOutput(index, .vector(c.input(index).rank)) }
    }
    .sharding(shapeSharding)
    .noGradient()
    .kernel(gpu: ["T": .gpuMovable], hostMemory: ["output"], make: shapeKernel)
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "output"], make: shapeKernel)

    /// Outputs the number of elements.
    static let size = OpDefinition(
        "Size", "(input: T) -> (output: out_type)", "T: type", "out_type: {int32, int64} = int32"
    )
    .readingOnlyShapes()
    .shape(ShapeFunctions.scalar)
    .sharding { c in
        guard let rank = c.input(0).rank else { return nil }
        let labels = ShardingContext.labels(rank)
        return ShardingRule(inputs: [labels], outputs: [[]]).fromOnePart { local in
            local.outputs(local.inputs).map { size in
                local.op("Mul", size, local.builder.scalar(Double(labels.reduce(1) { $0 * local.partCount($1) }), size.dtype))
            }
        }
    }
    .knownValue { c in c.shape(0).elementCount.flatMap { c.result([$0], .scalar) } }
    .noGradient()
    .kernel(gpu: ["T": [.gpuMovable, DTypeSet(.variant)]], hostMemory: ["output"], make: sizeKernel)
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "output"], make: sizeKernel)

    /// Outputs the rank.
    static let rank = OpDefinition("Rank", "(input: T) -> (output: int32)", "T: type")
        .readingOnlyShapes()
        .shape(ShapeFunctions.scalar)
        .knownValue { c in c.shape(0).rank.flatMap { c.result([$0], .scalar) } }
        .noGradient()
        .kernel(
            gpu: ["T": [.numeric.subtracting(.int32), DTypeSet(.variant)]], hostMemory: ["output"]
        ) { _ in rankKernel }
        .kernel(["T": DTypeSet(.int32, .bool)], gpu: ["T": DTypeSet(.int32, .bool)], hostMemory: ["input", "output"]) {
            _ in rankKernel
        }
}

/// The sizes of the whole tensors are those of one part, with the cut dimensions multiplied.
@Sendable private func shapeSharding(_ c: ShardingContext) -> ShardingRule? {
    let ranks = (0..<c.inputCount).compactMap { c.input($0).rank }
    guard ranks.count == c.inputCount else { return nil }
    var count = 0
    let labels = ranks.map { rank in
        defer { count += rank }
        return (count..<count + rank).map { DimensionLabel($0) }
    }
    return ShardingRule(inputs: labels, outputs: Array(repeating: [], count: labels.count)).fromOnePart { local in
        zip(local.outputs(local.inputs), labels).map { sizes, labels in
            local.op("Mul", sizes, local.constant(labels.map(local.partCount), sizes.dtype))
        }
    }
}

@Sendable private func shapeKernel(_ request: KernelRequest) throws -> Kernel {
    let isWide = try request.type("out_type") == .int64
    let many = request.op.name == "ShapeN"
    return .sync { context in
        for index in 0..<context.inputCount {
            let shape = context.shape(index)
            if isWide {
                let sizes = try context.output(index, .int64, Shape(shape.rank)).mutableElements(Int64.self)
                for axis in 0..<shape.rank { sizes[axis] = Int64(shape[axis]) }
            } else {
                let sizes = try context.output(index, .int32, Shape(shape.rank)).mutableElements(Int32.self)
                for axis in 0..<shape.rank {
                    guard let size = Int32(exactly: shape[axis]) else {
                        throw Status.invalidArgument(
                            many
                                ? "ShapeN output type is 32-bit but shape \(index) dim \(axis) is \(shape[axis])"
                                : "Shape output type is 32-bit  but dim \(axis) is \(shape[axis])")
                    }
                    sizes[axis] = size
                }
            }
        }
    }
}

@Sendable private func sizeKernel(_ request: KernelRequest) throws -> Kernel {
    let isWide = try request.type("out_type") == .int64
    return .sync { context in
        let count = context.shape(0).elementCount
        if isWide {
            try context.output(0, .int64, .scalar).mutableElements(Int64.self)[0] = Int64(count)
        } else {
            guard let narrow = Int32(exactly: count) else {
                throw Status.invalidArgument(
                    "Number of elements was larger than representable by 32-bit output type")
            }
            try context.output(0, .int32, .scalar).mutableElements(Int32.self)[0] = narrow
        }
    }
}

private let rankKernel = Kernel.sync { context in
    try context.output(0, .int32, .scalar).mutableElements(Int32.self)[0] = Int32(context.shape(0).rank)
}

extension Output {
    /// Returns the dimensions, computed when the graph runs (`Shape`).
    public func shapeTensor(_ dtype: DType = .int32) -> Output {
        builder.add("Shape", [self], attributes: ["out_type": .type(dtype)])[0]
    }
    /// Returns the number of elements, computed when the graph runs (`Size`).
    public func sizeTensor(_ dtype: DType = .int32) -> Output {
        builder.add("Size", [self], attributes: ["out_type": .type(dtype)])[0]
    }
    /// Returns the rank, computed when the graph runs (`Rank`).
    public func rankTensor() -> Output { builder.add("Rank", [self])[0] }
}
