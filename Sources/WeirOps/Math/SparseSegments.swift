import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Reductions of segments of rows that are selected by indices.

extension OpDefinition {
    /// The sums of the selected rows of each segment.
    static let sparseSegmentSum = sparseSegments("SparseSegmentSum", realRows, .real, cuda: .sum, ReduceLoops.sum)
    /// The means of the selected rows of each segment.
    static let sparseSegmentMean = sparseSegments(
        "SparseSegmentMean", MathTypes.floating, .floating, cuda: .mean, ReduceLoops.mean)
    /// The sums of the selected rows of each segment, divided by the square roots of their counts.
    static let sparseSegmentSqrtN = sparseSegments(
        "SparseSegmentSqrtN", MathTypes.floating, .floating, cuda: .rootMean, ReduceLoops.rootMean)

    /// The variants with an explicit number of segments, which may exceed the last id plus 1.
    static let sparseSegmentSumWithNumSegments = sparseSegments(
        "SparseSegmentSum", realRows, .real, counted: true, cuda: .sum, ReduceLoops.sum)
    static let sparseSegmentMeanWithNumSegments = sparseSegments(
        "SparseSegmentMean", MathTypes.floating, .floating, counted: true, cuda: .mean, ReduceLoops.mean)
    static let sparseSegmentSqrtNWithNumSegments = sparseSegments(
        "SparseSegmentSqrtN", MathTypes.floating, .floating, counted: true, cuda: .rootMean, ReduceLoops.rootMean)

    /// The gradients of the sparse segment ops with respect to `data`: sum, mean, and sum over the square root of the count.
    static let sparseSegmentSumGrad = sparseSegmentGradient("SparseSegmentSumGrad", cuda: "1.0") { _ in 1 }
    static let sparseSegmentMeanGrad = sparseSegmentGradient("SparseSegmentMeanGrad", cuda: "1 / (double)n") { 1 / Double($0) }
    static let sparseSegmentSqrtNGrad = sparseSegmentGradient("SparseSegmentSqrtNGrad", cuda: "1 / sqrt((double)n)") { 1 / Double($0).squareRoot() }

    private static let realRows =
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

    private static func sparseSegments(
        _ base: String, _ types: String, _ cpu: DTypeSet, counted: Bool = false, cuda reducer: CUDAReducer,
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
                try checkSparse(context)
                let rows = try context.input(1).integers("indices")
                let count = counted ? try segmentCount(context) : nil
                let segments = try SegmentRuns(context.input(2), segmentCount: count)
                for (position, row) in rows.enumerated() where !(0..<data.dimension(0)).contains(row) {
                    throw Status.invalidArgument("Bad: indices[\(position)] == \(row) out of range [0, \(data.dimension(0)))")
                }
                try segments.reduce(loops, data, type, empty: 0, context, rows: rows)
            }
        }
        .cuda { request in
            let segments = try CUDASegments(request, reducer, empty: "0", ids: "Tsegmentids", rows: "Tidx")
            guard counted else { return segments.kernel(ids: 2, rows: 1) { context in try checkSparse(context) } }
            return .sync { context in
                try checkSparse(context)
                let count = try segmentCount(context)
                guard count >= 0 else { throw Status.invalidArgument("segment ids must be >= 0") }
                context.setOutput(0, try segments.run(context.input(0), context.input(2), context.input(1), count: count))
            }
        }
    }

    /// - Parameter scale: the factor of each row, from the number of rows in its segment.
    /// - Parameter cudaScale: the same of `n` in CUDA C++.
    private static func sparseSegmentGradient(
        _ name: String, cuda cudaScale: String, _ scale: @escaping @Sendable (Int) -> Double
    ) -> OpDefinition {
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
        .cuda { try cudaSparseGradient($0, cudaScale) }
    }
}

/// The scalar input 3.
private func segmentCount(_ context: borrowing KernelContext) throws -> Int {
    guard context.shape(3).rank == 0 else {
        throw Status.invalidArgument("num_segments should be a scalar, not shape \(context.shape(3))")
    }
    return try context.input(3).integer("num_segments")
}

/// Checks that the data has rows, and that there are as many ids as indices.
private func checkSparse(_ context: borrowing KernelContext) throws {
    guard context.shape(0).rank > 0 else { throw Status.invalidArgument("Shape must be at least rank 1 but is rank 0") }
    guard context.shape(1).rank == 1 else { throw Status.invalidArgument("indices should be a vector.") }
    guard context.shape(2).rank == 1 else { throw Status.invalidArgument("segment_ids should be a vector.") }
    guard context.shape(1) == context.shape(2) else {
        throw Status.invalidArgument("segment_ids and indices should have same size.")
    }
}

/// The number of rows of a gradient's result.
private func gradientRows(_ context: borrowing KernelContext) throws -> Int {
    guard context.shape(0).rank > 0 else { throw Status.invalidArgument("Shape must be at least rank 1 but is rank 0") }
    guard context.shape(3).rank == 0 else { throw Status.invalidArgument("output_dim0 should be a scalar.") }
    try checkSparse(context)
    let count = try context.input(3).integer("output_dim0")
    guard count >= 0 else { throw Status.invalidArgument("Expected a non-negative size, got \(count)") }
    return count
}

/// Adds the gradients of each row's segments in the order of the indices. An index or id out of range is left out.
private func cudaSparseGradient(_ request: KernelRequest, _ scale: String) throws -> Kernel {
    let (device, type) = (try request.cudaDevice(), try request.type("T"))
    let grouping = try CUDAGrouping(device, request.type("Tidx"))
    let module = try request.cudaModule(
        nil, ["T": request.cudaType("T"), "I": request.cudaType("Tsegmentids")],
        """
        typedef Compute<T>::type C;
        KERNEL count_ids(const I* ids, int* members, int64 count, int64 segments) {
            for (int64 i = first(); i < count; i += stride())
                if (ids[i] >= 0 && ids[i] < segments) atomicAdd(&members[ids[i]], 1);
        }
        KERNEL spread(
            const T* x, T* out, const int64* starts, const uint32* places, const I* ids, const int* members, int64 results, int64 width,
            int64 segments) {
            for (int64 i = first(); i < results; i += stride()) {
                int64 row = i / width, column = i - row * width, end = starts[row + 1];
                C sum = 0;
                for (int64 j = starts[row]; j < end; j++) {
                    int64 id = ids[places[j]];
                    if (id < 0 || id >= segments) continue;
                    int n = members[id];
                    sum += widen(x[id * width + column]) * (C)(\(scale));
                }
                out[i] = narrow<T>(sum);
            }
        }
        """)
    return .sync { context in
        let count = try gradientRows(context)
        let (x, indices, ids) = (context.input(0), context.input(1), context.input(2))
        let out = try context.output(0, type, Shape(validating: [count] + x.shape.dimensions.dropFirst()))
        guard out.elementCount > 0 else { return }
        guard x.elementCount > 0 else { return try device.fill(out) }
        let segments = x.dimension(0)
        let members = try Tensor(.int32, Shape(segments), in: device.allocator)
        try device.fill(members)
        try device.launch(
            module.function("count_ids"), over: ids.elementCount,
            [.elements(ids), .elements(members), .int(ids.elementCount), .int(segments)])
        let groups = try grouping.run(indices, count: count)
        try device.launch(
            module.function("spread"), over: out.elementCount,
            [
                .elements(x), .elements(out), .elements(groups.starts), .elements(groups.rows), .elements(ids), .elements(members),
                .int(out.elementCount), .int(out.elementCount / count), .int(segments),
            ])
    }
}

private struct SparseGradientVisitor: FloatingVisitor {
    let scale: @Sendable (Int) -> Double

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { [scale] context in
            let shape = context.shape(0)
            let count = try gradientRows(context)
            let rows = try context.input(1).integers("indices")
            let ids = try context.input(2).integers("segment_ids")
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
