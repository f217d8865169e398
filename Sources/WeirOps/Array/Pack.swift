public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Stacks tensors of one shape along a new dimension.
    static let pack = OpDefinition(
        "Pack", "(values: N * T) -> (output: T)", "N: int >= 1", "T: type", "axis: int = 0"
    )
    .shape(packShape)
    .sharding { c in
        guard let rank = c.output().rank, let axis = ShardingContext.axis(c.attributes.int("axis") ?? 0, rank: rank) else { return nil }
        let labels = ShardingContext.labels(rank - 1)
        return ShardingRule(
            inputs: Array(repeating: labels, count: c.inputCount), outputs: [labels[..<axis] + [.whole] + labels[axis...]]
        ).linear()
    }
    .knownValue { c in c.packed() }
    .gradient { g in
        g.ops(
            "Unpack", [g.gradient()],
            attributes: ["num": .int(g.inputs.count), "axis": .int(g.attributes.int("axis") ?? 0)]
        ).map { $0 }
    }
    .kernel(
        ["T": .all], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int16, .int64, .uint32, .uint64)]],
        moving: packKernel
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["values", "output"], moving: packKernel)
}

@Sendable private func packShape(_ c: inout ShapeContext) throws {
    var merged = PartialShape.unknown
    for index in (0..<c.inputCount).reversed() {
        do {
            merged = try merged.merging(c.input(index))
        } catch {
            throw error.appending("\n\tFrom merging shape \(index) with other shapes.")
        }
    }
    if let handle = c.handle(0), (1..<max(1, c.inputCount)).allSatisfy({ c.handle($0)?.dtype == handle.dtype }) {
        c.setHandle(0, handle.dtype, handle.shape)
    }
    guard let dimensions = merged.dimensions else { return }
    let axis = try packAxis(c.attributes.int("axis") ?? 0, dimensions.count + 1)
    c.setOutput(0, PartialShape(dimensions[..<axis] + [c.inputCount] + dimensions[axis...]))
}

/// Returns the axis counted from the front. `rank` is the rank of the packed tensor.
/// - Throws: `invalidArgument` if the axis is out of range.
func packAxis(_ axis: Int, _ rank: Int) throws -> Int {
    guard let front = nonNegativeAxis(axis, rank: rank) else {
        throw Status.invalidArgument("Invalid axis: \(axis); must be in [\(-rank),\(rank))")
    }
    return front
}

@Sendable private func packKernel(_ request: KernelRequest) throws -> MovingBody {
    let (dtype, wanted, count) = (try request.type("T"), try request.int("axis"), try request.int("N"))
    return { context, mover in
        let shape = context.shape(0)
        guard let axis = nonNegativeAxis(wanted, rank: shape.rank + 1) else {
            throw Status.invalidArgument("axis = \(wanted) not in [\(-shape.rank - 1), \(shape.rank + 1))")
        }
        for index in 1..<max(1, count) where context.shape(index) != shape {
            throw Status.invalidArgument(
                "Shapes of all inputs must match: values[0].shape = \(shape) != values[\(index)].shape = "
                    + "\(context.shape(index))")
        }
        let sizes = shape.dimensions
        let result = try Shape(validating: Array(sizes[..<axis] + [count] + sizes[axis...]))
        if count == 1 { return context.setOutput(0, context.input(0).reshaped(result)) }
        let output = try context.output(0, dtype, result)
        guard result.elementCount > 0 else { return }
        let outer = shape.count(..<axis), inner = shape.count(axis...)
        try mover.join((0..<count).map { (context.input($0), inner) }, rows: outer, into: output)
    }
}

extension GraphBuilder {
    /// Stacks tensors of one shape along a new dimension (`Pack`).
    public func stacked(_ values: [Output], axis: Int = 0) -> Output {
        add("Pack", values, attributes: ["axis": .int(axis)])[0]
    }
}
