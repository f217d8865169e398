import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Reductions of segments of rows that are selected by indices.

extension OpDefinition {
    /// The sums of the selected rows of each segment.
    static let sparseSegmentSum = sparseSegments("SparseSegmentSum", realRows, .real, ReduceLoops.sum)
    /// The means of the selected rows of each segment.
    static let sparseSegmentMean = sparseSegments("SparseSegmentMean", MathTypes.floating, .floating, ReduceLoops.mean)
    /// The sums of the selected rows of each segment, divided by the square roots of their counts.
    static let sparseSegmentSqrtN = sparseSegments("SparseSegmentSqrtN", MathTypes.floating, .floating, ReduceLoops.rootMean)

    /// The variants with an explicit number of segments, which may exceed the last id plus 1.
    static let sparseSegmentSumWithNumSegments = sparseSegments("SparseSegmentSum", realRows, .real, counted: true, ReduceLoops.sum)
    static let sparseSegmentMeanWithNumSegments = sparseSegments(
        "SparseSegmentMean", MathTypes.floating, .floating, counted: true, ReduceLoops.mean)
    static let sparseSegmentSqrtNWithNumSegments = sparseSegments(
        "SparseSegmentSqrtN", MathTypes.floating, .floating, counted: true, ReduceLoops.rootMean)

    /// The gradients of the sparse segment ops with respect to `data`: sum, mean, and sum over the square root of the count.
    static let sparseSegmentSumGrad = sparseSegmentGradient("SparseSegmentSumGrad") { _ in 1 }
    static let sparseSegmentMeanGrad = sparseSegmentGradient("SparseSegmentMeanGrad") { 1 / Double($0) }
    static let sparseSegmentSqrtNGrad = sparseSegmentGradient("SparseSegmentSqrtNGrad") { 1 / Double($0).squareRoot() }

    private static let realRows =
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

    private static func sparseSegments(
        _ base: String, _ types: String, _ cpu: DTypeSet, counted: Bool = false,
        _ loops: @escaping @Sendable (DType) -> ReduceLoops?
    ) -> OpDefinition {
        let attributes =
            [types, "Tidx: {int32, int64} = int32"] + (counted ? ["Tnumsegments: {int32, int64} = int32"] : [])
            + ["Tsegmentids: {int32, int64} = int32", "sparse_gradient: bool = false"]
        let count = counted ? ", num_segments: Tnumsegments" : ""
        return OpDefinition(
            counted ? base + "WithNumSegments" : base,
            "(data: T, indices: Tidx, segment_ids: Tsegmentids\(count)) -> (output: T)", attributes: attributes
        )
        .shape { c in
            try c.requireRank(0, atLeast: 1)
            try c.requireRank(1, 1)
            _ = try c.input(1).merging(try c.input(2).merging(.vector(nil)))
            if counted { try c.requireRank(3, 0) }
            guard c.input(0).rank != nil else { return }
            let rows = counted ? try c.constant(3)?.integer("num_segments") : nil
            if let rows, rows < 0 { throw Status.invalidArgument("Cannot specify a negative value for num_segments") }
            c.setOutput(0, PartialShape.vector(rows).concatenating(c.input(0).dropFirst()))
        }
        .gradient { g in
            let rows = g.op("GatherV2", g.shape(g.inputs[0]), g.constant(Tensor(Int32(0))), g.constant(Tensor(Int32(0))))
            let flow = g.op(base + "Grad", g.gradient(), g.inputs[1], g.inputs[2], rows)
            return [flow] + [Output?](repeating: nil, count: g.inputs.count - 1)
        }
        .kernel(["T": cpu], gpu: ["T": .floating], hostMemory: counted ? ["num_segments"] : []) { request in
            let type = try request.type("T")
            guard let loops = loops(type) else { throw request.unsupportedType("T") }
            return .sync { context in
                let data = context.input(0)
                guard data.rank > 0 else { throw Status.invalidArgument("Shape must be at least rank 1 but is rank 0") }
                let rows = try sparseIndices(context)
                var count: Int?
                if counted {
                    guard context.shape(3).rank == 0 else {
                        throw Status.invalidArgument("num_segments should be a scalar, not shape \(context.shape(3))")
                    }
                    count = try context.input(3).integer("num_segments")
                }
                let segments = try SegmentRuns(context.input(2), segmentCount: count)
                for (position, row) in rows.enumerated() where !(0..<data.dimension(0)).contains(row) {
                    throw Status.invalidArgument("Bad: indices[\(position)] == \(row) out of range [0, \(data.dimension(0)))")
                }
                try segments.reduce(loops, data, type, empty: 0, context, rows: rows)
            }
        }
    }

    /// - Parameter scale: the factor of each row, from the number of rows in its segment.
    private static func sparseSegmentGradient(_ name: String, _ scale: @escaping @Sendable (Int) -> Double) -> OpDefinition {
        OpDefinition(
            name, "(grad: T, indices: Tidx, segment_ids: Tsegmentids, output_dim0: int32) -> (output: T)", MathTypes.floating,
            "Tidx: {int32, int64} = int32", "Tsegmentids: {int32, int64} = int32"
        )
        .shape { c in
            try c.requireRank(0, atLeast: 1)
            try c.requireRank(1, 1)
            _ = try c.input(1).merging(c.input(2))
            try c.requireRank(3, 0)
            guard c.input(0).rank != nil else { return }
            let rows = try c.constant(3)?.integer("output_dim0")
            if let rows, rows < 0 { throw Status.invalidArgument("Cannot specify a negative value for output_dim0") }
            c.setOutput(0, PartialShape.vector(rows).concatenating(c.input(0).dropFirst()))
        }
        .kernel(["T": .floating], gpu: ["T": .floating], hostMemory: ["output_dim0"]) {
            try $0.floating("T", SparseGradientVisitor(scale: scale))
        }
    }
}

/// Returns the row indices of input 1, after a check that input 2 has as many ids.
private func sparseIndices(_ context: borrowing KernelContext) throws -> [Int] {
    guard context.shape(1).rank == 1 else { throw Status.invalidArgument("indices should be a vector.") }
    guard context.shape(2).rank == 1 else { throw Status.invalidArgument("segment_ids should be a vector.") }
    guard context.shape(1) == context.shape(2) else {
        throw Status.invalidArgument("segment_ids and indices should have same size.")
    }
    return try context.input(1).integers("indices")
}

private struct SparseGradientVisitor: FloatingVisitor {
    let scale: @Sendable (Int) -> Double

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { [scale] context in
            let shape = context.shape(0)
            guard shape.rank > 0 else { throw Status.invalidArgument("Shape must be at least rank 1 but is rank 0") }
            guard context.shape(3).rank == 0 else { throw Status.invalidArgument("output_dim0 should be a scalar.") }
            let rows = try sparseIndices(context)
            let ids = try context.input(2).integers("segment_ids")
            let count = try context.input(3).integer("output_dim0")
            guard count >= 0 else { throw Status.invalidArgument("Expected a non-negative size, got \(count)") }
            for (row, id) in zip(rows, ids) {
                guard (0..<count).contains(row) else {
                    throw Status.invalidArgument("Index \(row) out of range [0, \(count)).")
                }
                guard id >= 0 else { throw Status.invalidArgument("Segment id \(id) out of range [0, \(shape[0])).") }
                guard id < shape[0] else { throw Status.invalidArgument("Invalid number of segments") }
            }
            let gradient = context.elements(0, E.self)
            let output = try context.output(0, E.dtype, Shape(validating: [count] + shape.dimensions.dropFirst()))
            output.clearElements()
            // Returns early without elements: then the number of segments is not bounded by memory.
            guard output.elementCount > 0, shape.elementCount > 0, let x = gradient.baseAddress else { return }
            let width = output.elementCount / count
            var members = [Int](repeating: 0, count: shape[0])
            for id in ids { members[id] += 1 }
            let scales = members.map { E.Compute($0 > 0 ? scale($0) : 0) }
            guard let out = output.mutableElements(E.self).baseAddress else { return }
            for (row, id) in zip(rows, ids) {
                let (source, target, scale) = (x + id * width, out + row * width, scales[id])
                for column in 0..<width {
                    target[column] = E(compute: target[column].compute + source[column].compute * scale)
                }
            }
        }
    }
}
