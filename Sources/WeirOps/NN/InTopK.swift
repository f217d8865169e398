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
    .cuda { request in
        let program = try CUDARows(
            request, .float32, ["I": try request.cudaType("T")],
            parameters: ", const float* predictions, const I* targets, const I* k, bool* out", load: "predictions[row * width + column]",
            body: """
                int64 target = width > 0 ? (int64)targets[row] : -1;
                bool isTarget = target >= 0 && target < width;
                float likelihood = isTarget ? predictions[row * width + target] : 0;
                // Larger predictions, and 2^60 for one that is not finite: then the answer is false.
                double larger = 0;
                for (int64 i = lane; i < width; i += lanes) {
                    float x = at(i);
                    larger += x > likelihood ? 1 : 0;
                    if (!(fabsf(x) <= 3.4028234e38f)) larger += 1152921504606846976.0;
                }
                __shared__ double counts[8];
                larger = join_lanes(larger, Sum(), lanes, counts);
                if (lane == 0 && row < row_count) out[row] = isTarget && larger < 1e18 && (int64)larger < (int64)k[0];
                """)
        return .sync { context in
            let k = context.input(2)
            guard k.rank == 0 else { throw Status.invalidArgument("k must be 0-D, got shape \(k.shape)") }
            let (predictions, targets) = (context.input(0), context.input(1))
            try checkTopKShapes(predictions.shape, targets)
            let output = try context.output(0, .bool, targets.shape)
            try program.run(
                predictions.dimension(0), predictions.dimension(1), [predictions, targets, k, output].map { .elements($0) })
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

private func checkTopKShapes(_ shape: Shape, _ targets: Tensor) throws {
    guard shape.rank == 2 else { throw Status.invalidArgument("predictions must be 2-dimensional") }
    guard targets.rank == 1 else { throw Status.invalidArgument("targets must be 1-dimensional") }
    guard shape[0] == targets.dimension(0) else {
        throw Status.invalidArgument(
            "First dimension of predictions \(shape[0]) must match length of targets \(targets.dimension(0))")
    }
}

private func markTopK(_ context: borrowing KernelContext, _ k: Int) throws {
    let (shape, targets) = (context.shape(0), context.input(1))
    try checkTopKShapes(shape, targets)
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
