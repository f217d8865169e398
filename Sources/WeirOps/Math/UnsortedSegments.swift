import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

// Reductions of all rows with the same segment id. The ids are in any order; rows with a negative id are dropped.

extension OpDefinition {
    /// The sums of the rows with each id.
    static let unsortedSegmentSum = unsortedSegments(
        "UnsortedSegmentSum", numericRows, "{int16, int32, int64}", .numeric, gpu: [.floatingOrComplex, DTypeSet(.int32)],
        cuda: { _ in .sum }, ReduceLoops.sum
    )
    .gradient { g in [SegmentGather(g).rows(g.gradient()), nil, nil] }

    /// The products of the rows with each id.
    static let unsortedSegmentProd = unsortedSegments(
        "UnsortedSegmentProd", numericRows, "{int32, int64}", .numeric, gpu: [.floating, DTypeSet(.int32)], cuda: { _ in .product },
        ReduceLoops.product
    )
    .gradient { g in
        let (data, ids, count) = (g.inputs[0], g.inputs[1], g.inputs[2])
        let gather = SegmentGather(g)
        let isZero = g.op("Equal", data, g.scalar(0, like: data))
        let zeros = g.op("UnsortedSegmentSum", g.op("Cast", isZero, attributes: ["DstT": .type(.int32)]), ids, count)
        // With two or more zeros in a segment the gradient is 0; with one zero, only its element has a gradient.
        let several = g.op("Greater", zeros, g.constant(Tensor(Int32(1))))
        let flow = g.op("SelectV2", several, g.op("ZerosLike", g.gradient()), g.gradient())
        let others = g.op("SelectV2", isZero, g.op("OnesLike", data), data)
        let ofOthers = gather.clipped(g.op("UnsortedSegmentProd", others, ids, count))
        let slope = g.op("SelectV2", isZero, ofOthers, g.op("RealDiv", gather.clipped(g.outputs[0]), others))
        return [g.op("Mul", gather.rows(flow), slope), nil, nil]
    }

    /// The maxima of the rows with each id.
    static let unsortedSegmentMax = unsortedSegments(
        "UnsortedSegmentMax", realRows, "{int32, int64}", .real, gpu: [.floating, DTypeSet(.int32)],
        cuda: { $0.isFloating ? .segmentGreatest : .segmentGreatestInteger }, ReduceLoops.segmentGreatest
    )
    .gradient { g in [unsortedExtremeGradient(g), nil, nil] }

    /// The minima of the rows with each id.
    static let unsortedSegmentMin = unsortedSegments(
        "UnsortedSegmentMin", realRows, "{int32, int64}", .real, gpu: [.floating, DTypeSet(.int32)],
        cuda: { $0.isFloating ? .segmentLeast : .segmentLeastInteger }, ReduceLoops.segmentLeast
    )
    .gradient { g in [unsortedExtremeGradient(g), nil, nil] }

    private static let numericRows =
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
        + "uint16, complex128, half, uint32, uint64}"
    private static let realRows =
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

    private static func unsortedSegments(
        _ name: String, _ types: String, _ idTypes: String, _ cpu: DTypeSet, gpu: DTypeSet,
        cuda reducer: @escaping @Sendable (DType) -> CUDAReducer,
        _ loops: @escaping @Sendable (DType) -> ReduceLoops?
    ) -> OpDefinition {
        OpDefinition(
            name, "(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> (output: T)", types,
            "Tindices: \(idTypes)", "Tnumsegments: {int32, int64} = int32"
        )
        .shape { c in
            try c.requireRank(2, 0)
            guard let data = c.input(0).dimensions, let idRank = c.input(1).rank else { return }
            guard idRank <= data.count else {
                throw Status.invalidArgument("Shape must be at least rank \(idRank) but is rank \(data.count)")
            }
            _ = try PartialShape(Array(data.prefix(idRank))).merging(c.input(1))
            let count = try c.constant(2)?.integer("num_segments")
            c.setOutput(0, PartialShape([count.flatMap { $0 < 0 ? nil : $0 }] + data.dropFirst(idRank)))
        }
        .kernel(["T": cpu], gpu: ["T": gpu, "Tindices": .index], hostMemory: ["num_segments"]) { request in
            let type = try request.type("T")
            guard let loops = loops(type) else { throw request.unsupportedType("T") }
            return .sync { context in try reduceUnsorted(loops, type, context) }
        }
        .cuda { request in
            let (device, type) = (try request.cudaDevice(), try request.type("T"))
            let grouping = try CUDAGrouping(device, request.type("Tindices"))
            let reduction = try CUDASegmentReduction(device, request.op.name, type, reducer(type), rows: .uint32)
            return .sync { context in
                let (shape, count) = try unsortedShape(context)
                let (data, ids) = (context.input(0), context.input(1))
                let out = try context.output(0, type, shape)
                guard shape.elementCount > 0 else { return }
                // A card cannot fail for an id beyond the last segment: the row is left out.
                let groups = try grouping.run(ids, count: count)
                try reduction.run(
                    data, starts: groups.starts, rows: groups.rows, rowCount: ids.elementCount, placeCount: ids.elementCount, out)
            }
        }
    }

    /// Returns the gradient of `UnsortedSegmentMax` and `UnsortedSegmentMin`. Equal elements share the gradient.
    private static func unsortedExtremeGradient(_ g: GradientContext) -> Output {
        let (data, ids, count) = (g.inputs[0], g.inputs[1], g.inputs[2])
        let gather = SegmentGather(g)
        let isChosen = g.op("Equal", data, gather.rows(g.outputs[0]))
        let isCounted = g.op("LogicalAnd", isChosen, gather.isKept(like: data))
        let shares = g.op(
            "UnsortedSegmentSum", g.op("Cast", isCounted, attributes: ["DstT": .type(g.gradient().dtype)]), ids, count)
        let flow = gather.rows(g.op("RealDiv", g.gradient(), shares))
        return g.op("SelectV2", isCounted, flow, g.op("ZerosLike", flow))
    }
}

/// The result's shape, and the number of segments.
private func unsortedShape(_ context: borrowing KernelContext) throws -> (shape: Shape, count: Int) {
    let (data, ids) = (context.input(0), context.input(1))
    guard context.shape(2).rank == 0 else {
        throw Status.invalidArgument("num_segments should be a scalar, not shape \(context.shape(2))")
    }
    let count = try context.input(2).integer("num_segments")
    guard count >= 0 else { throw Status.invalidArgument("Input num_segments == \(count) must not be negative.") }
    guard ids.rank <= data.rank, (0..<ids.rank).allSatisfy({ data.dimension($0) == ids.dimension($0) }) else {
        throw Status.invalidArgument("data.shape = \(data.shape) does not start with segment_ids.shape = \(ids.shape)")
    }
    return (try Shape(validating: [count] + data.shape.dimensions.dropFirst(ids.rank)), count)
}

private func reduceUnsorted(_ loops: ReduceLoops, _ dtype: DType, _ context: borrowing KernelContext) throws {
    let (shape, count) = try unsortedShape(context)
    let (data, ids) = (context.input(0), context.input(1))
    let places = try ids.integers("segment_ids")
    for (row, place) in places.enumerated() where place >= count {
        throw Status.invalidArgument(
            "segment_ids\(coordinatesText(row, in: ids.shape)) = \(place) is out of range [0, \(count))")
    }
    let out = try context.output(0, dtype, shape)
    guard shape.elementCount > 0 else { return }
    let width = shape.elementCount / count
    let (size, accumulatorSize) = (dtype.byteCount, loops.accumulatorSize)
    let (x, target) = (data.firstByte, out.mutableFirstByte)

    func run(_ accumulators: UnsafeMutableRawPointer) {
        // Each task has a range of segments and scans all ids for them, so that no two tasks write the same row.
        let parts = max(1, data.elementCount / Grain.cheap)
        context.pool.parallelFor(count, grain: max(1, count / parts)) { segments in
            let first = segments.lowerBound * width
            loops.clear(accumulators + first * accumulatorSize, segments.count * width)
            for (row, place) in places.enumerated() where segments.contains(place) {
                loops.accumulate(x + row * width * size, 1, width, width, accumulators + place * width * accumulatorSize)
            }
            loops.finish(accumulators + first * accumulatorSize, target + first * size, segments.count * width, 1)
        }
    }
    // If accumulators have the size of elements, the output's buffer holds them.
    if accumulatorSize == size { return run(target) }
    let space = try Tensor(.uint8, Shape(validating: [shape.elementCount * accumulatorSize]))
    defer { keepAlive(space) }
    run(space.mutableFirstByte)
}

/// Gathers rows of a result by segment ids; zeros where the id is negative.
private struct SegmentGather {
    let g: GradientContext
    private let ids: Output
    private let places: Output

    init(_ g: GradientContext) {
        self.g = g
        ids = g.inputs[1]
        places = g.op("Maximum", ids, g.scalar(0, like: ids))
    }

    /// Gathers rows by ids, with negative ids clamped to 0.
    func clipped(_ rows: Output) -> Output { g.op("GatherV2", rows, places, g.constant(Tensor(Int32(0)))) }

    /// Gathers rows by ids, with zeros for negative ids.
    func rows(_ rows: Output) -> Output {
        let gathered = clipped(rows)
        return g.op("SelectV2", isKept(like: gathered), gathered, g.op("ZerosLike", gathered))
    }

    /// Returns whether each row has a non-negative id, in a shape that broadcasts with `rows`.
    func isKept(like rows: Output) -> Output {
        let kept = g.op("GreaterEqual", ids, g.scalar(0, like: ids))
        let ones: Output
        if let rank = rows.shape.rank, let idRank = ids.shape.rank {
            guard rank > idRank else { return kept }
            ones = g.constant([Int](repeating: 1, count: rank - idRank))
        } else {
            let rest = g.op("Sub", g.op("Rank", rows), g.op("Rank", kept))
            ones = g.op("Fill", g.op("Reshape", rest, g.constant([1])), g.constant(Tensor(Int32(1))))
        }
        return g.op("Reshape", kept, g.op("ConcatV2", g.shape(kept), ones, g.constant(Tensor(Int32(0)))))
    }
}

extension Output {
    /// Returns the sums of the rows with each id in 0..<count. Rows with a negative id are dropped (UnsortedSegmentSum).
    public func unsortedSegmentSum(_ ids: Output, count: Int) -> Output {
        builder.add("UnsortedSegmentSum", [self, ids, builder.int32(count, "count")])[0]
    }
}
