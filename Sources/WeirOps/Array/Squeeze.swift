public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Removes dimensions of size 1: the ones in `squeeze_dims`, or all if it is empty.
    static let squeeze = OpDefinition(
        "Squeeze", "(input: T) -> (output: T)", "T: type", "squeeze_dims: list(int) >= 0 = []"
    )
    .shape(squeezeShape)
    .sharding { c in
        guard let dimensions = c.input(0).dimensions, let rank = c.output().rank else { return nil }
        let axes = c.attributes.ints("squeeze_dims") ?? []
        let removed =
            axes.isEmpty
            ? Set(dimensions.indices.filter { dimensions[$0] == 1 }) : Set(axes.compactMap { ShardingContext.axis($0, rank: dimensions.count) })
        let labels = dimensions.indices.map { removed.contains($0) ? .whole : DimensionLabel($0) }
        let output = labels.indices.filter { !removed.contains($0) }.map { labels[$0] }
        guard output.count == rank else { return nil }
        return ShardingRule(inputs: [labels], outputs: [output]).linear()
            .computed { local in
                // The axes are named, because a dimension of which each part has one element stays.
                removed.isEmpty
                    ? [local.op("Identity", local.inputs[0])]
                    : local.builder.add(local.node.op.name, local.inputs, name: local.node.name, attributes: ["squeeze_dims": .ints(removed.sorted())]).outputs
            }
    }
    .knownValue { c in c.reshapedInput() }
    .gradient { g in [g.reshape(g.gradient(), like: g.inputs[0])] }
    .kernel(gpu: ["T": .gpuMovable], make: squeezeKernel)
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "output"], make: squeezeKernel)
    .cudaAsOnHost()
}

@Sendable private func squeezeShape(_ c: inout ShapeContext) throws {
    let axes = c.attributes.ints("squeeze_dims") ?? []
    guard let dimensions = c.input(0).dimensions else { return }
    // Without `squeeze_dims` an unknown dimension may stay or not, so the rank is unknown.
    if axes.isEmpty, dimensions.contains(where: { $0 == nil }) { return }
    var dropped = Set<Int>()
    for (index, axis) in axes.enumerated() {
        guard let front = nonNegativeAxis(axis, rank: dimensions.count) else {
            throw Status.invalidArgument("squeeze_dims[\(index)] not in [\(-dimensions.count),\(dimensions.count)).")
        }
        if let size = dimensions[front], size != 1 {
            throw Status.invalidArgument("Can not squeeze dim[\(front)], expected a dimension of 1, got \(size)")
        }
        dropped.insert(front)
    }
    c.setOutput(
        0,
        PartialShape(
            dimensions.enumerated().compactMap { index, size -> Int?? in
                (axes.isEmpty ? size == 1 : dropped.contains(index)) ? nil : .some(size)
            }))
}

@Sendable private func squeezeKernel(_ request: KernelRequest) throws -> Kernel {
    let axes = try request.ints("squeeze_dims")
    let isVariant = try request.type("T") == .variant
    return .sync { context in
        let input = context.input(0)
        guard !isVariant else { throw Status.invalidArgument("Squeeze on Variant not supported") }
        var dropped = Set<Int>()
        for axis in axes {
            guard let front = nonNegativeAxis(axis, rank: input.rank) else {
                throw Status.invalidArgument(
                    "Tried to squeeze dim index \(axis) for tensor with \(input.rank) dimensions.")
            }
            dropped.insert(front)
        }
        var sizes: [Int] = []
        for (index, size) in input.shape.dimensions.enumerated() {
            if axes.isEmpty ? size == 1 : dropped.contains(index) {
                guard size == 1 else {
                    throw Status.invalidArgument(
                        "Can not squeeze dim[\(index)], expected a dimension of 1, got \(size)")
                }
            } else {
                sizes.append(size)
            }
        }
        context.setOutput(0, input.shaped(Shape(sizes)))
    }
}

extension Output {
    /// Removes dimensions of size 1: the ones in `axes`, or all if it is empty (`Squeeze`).
    public func squeezed(axes: [Int] = []) -> Output {
        builder.add("Squeeze", [self], attributes: ["squeeze_dims": .ints(axes)])[0]
    }
}
