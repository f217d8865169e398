public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Splits a tensor into its slices along a dimension. The slices do not have this dimension.
    static let unpack = OpDefinition(
        "Unpack", "(value: T) -> (output: num * T)", "num: int >= 0", "T: type", "axis: int = 0"
    )
    .shape(unpackShape)
    .sharding { c in
        guard let rank = c.input(0).rank, let axis = ShardingContext.axis(c.attributes.int("axis") ?? 0, rank: rank) else { return nil }
        var labels = ShardingContext.labels(rank)
        labels[axis] = .whole
        return ShardingRule(inputs: [labels], outputs: Array(repeating: labels.filter { $0 != .whole }, count: c.outputCount)).linear()
    }
    .gradient { g in
        [g.ops("Pack", g.outputGradients, attributes: ["axis": .int(g.attributes.int("axis") ?? 0)])[0]]
    }
    .kernel(["T": .all], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .uint8)]], moving: unpackKernel)
    .kernel(
        ["T": DTypeSet(.int32, .int64)], gpu: ["T": DTypeSet(.int32, .int64)], hostMemory: ["value", "output"],
        moving: unpackKernel)
}

@Sendable private func unpackShape(_ c: inout ShapeContext) throws {
    for index in c.outputs.indices { c.passHandle(from: 0, to: index) }
    let shape = c.input(0)
    guard let rank = shape.rank, let dimensions = shape.dimensions else { return }
    let axis = try packAxis(c.attributes.int("axis") ?? 0, rank)
    if let size = shape[axis], size != c.outputs.count {
        throw Status.invalidArgument("Dimension must be \(c.outputs.count) but is \(size)")
    }
    let slice = PartialShape(Array(dimensions[..<axis] + dimensions[(axis + 1)...]))
    for index in c.outputs.indices { c.setOutput(index, slice) }
}

@Sendable private func unpackKernel(_ request: KernelRequest) throws -> MovingBody {
    let (wanted, count) = (try request.int("axis"), try request.int("num"))
    return { context, mover in
        let input = context.input(0)
        let shape = input.shape
        guard let axis = nonNegativeAxis(wanted, rank: shape.rank) else {
            throw Status.invalidArgument("axis = \(wanted) not in [\(-shape.rank), \(shape.rank))")
        }
        guard shape[axis] == count else {
            throw Status.invalidArgument("Input shape axis \(axis) must equal \(count), got shape \(shape)")
        }
        let sizes = shape.dimensions
        let slice = try Shape(validating: Array(sizes[..<axis] + sizes[(axis + 1)...]))
        let inner = wrappingProduct(sizes[(axis + 1)...])
        let outer = wrappingProduct(sizes[..<axis])
        try mover.setOutputs(parts: input, outer, inner, shapes: [Shape](repeating: slice, count: count), [Int](repeating: 1, count: count), context)
    }
}

extension Output {
    /// Splits this tensor into its slices along a dimension, which the slices do not have (`Unpack`). Without `count` the size of
    /// the dimension must be known.
    public func unstacked(axis: Int = 0, count: Int? = nil) -> [Output] {
        guard let count = count ?? shape[axis] else {
            builder.record(.invalidArgument("Cannot infer num from shape \(shape): '\(name)' cannot be unstacked"))
            return []
        }
        return builder.add("Unpack", [self], attributes: ["num": .int(count), "axis": .int(axis)]).outputs
    }
}
