import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Whether the target of each row is among its `k` largest predictions, with `k` as an attribute.
    static let inTopK = OpDefinition(
        "InTopK", "(predictions: float, targets: T) -> (precision: bool)", "k: int", "T: {int32, int64} = int32"
    )
    .shape(inTopKShape).noGradient()
    .sharding(ShardingRule.rows)
    .kernel(["T": .index]) { request in
        let k = try request.int("k")
        return .sync { try markTopK($0, k) }
    }

    /// Whether the target of each row is among its `k` largest predictions, with `k` as an input.
    static let inTopKV2 = OpDefinition(
        "InTopKV2", "(predictions: float, targets: T, k: T) -> (precision: bool)", "T: {int32, int64} = int32"
    )
    .shape(inTopKShape).noGradient()
    .sharding(ShardingRule.rows)
    .kernel(["T": .index], gpu: ["T": .index]) { _ in
        .sync { context in
            let k = context.input(2)
            guard k.rank == 0 else { throw Status.invalidArgument("k must be 0-D, got shape \(k.shape)") }
            try markTopK(context, try k.integer("k"))
        }
    }
}

@Sendable private func inTopKShape(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 2)
    try c.requireRank(1, 1)
    if c.inputCount == 3 { try c.requireRank(2, 0) }
    let (rows, targets) = (c.input(0)[0], c.input(1)[0])
    if let rows, let targets, rows != targets {
        throw Status.invalidArgument("Dimensions must be equal, but are \(rows) and \(targets)")
    }
    c.setOutput(0, .vector(rows ?? targets))
}

private func markTopK(_ context: borrowing KernelContext, _ k: Int) throws {
    let (shape, targets) = (context.shape(0), context.input(1))
    guard shape.rank == 2 else { throw Status.invalidArgument("predictions must be 2-dimensional") }
    guard targets.rank == 1 else { throw Status.invalidArgument("targets must be 1-dimensional") }
    guard shape[0] == targets.dimension(0) else {
        throw Status.invalidArgument(
            "First dimension of predictions \(shape[0]) must match length of targets \(targets.dimension(0))")
    }
    let predictions = context.elements(0, Float.self), width = shape[1]
    let output = try context.output(0, .bool, Shape(shape[0])).mutableElements(Bool.self)
    for row in 0..<shape[0] {
        let target = targets.dtype == .int32 ? Int(targets.elements(Int32.self)[row]) : Int(targets.elements(Int64.self)[row])
        guard target >= 0, target < width else {
            output[row] = false
            continue
        }
        let likelihood = predictions[row * width + target]
        // A prediction that is not finite makes the result false. The loop ends early once more than `k` predictions are
        // larger.
        var (larger, isFinite) = (0, likelihood.isFinite)
        for index in row * width..<(row + 1) * width where larger <= k && isFinite {
            isFinite = predictions[index].isFinite
            if predictions[index] > likelihood { larger += 1 }
        }
        output[row] = isFinite && larger < k
    }
}
