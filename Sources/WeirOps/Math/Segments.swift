import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Reductions of segments: consecutive rows with equal ids, in ascending order, are reduced to one row.

extension OpDefinition {
    /// The sums of the rows of each segment.
    static let segmentSum = segments("SegmentSum", numericSegments, .numeric, cuda: .sum, ReduceLoops.sum)
        .gradient { g in [gather(g, g.gradient(), g.inputs[1]), nil] }

    /// The means of the rows of each segment.
    static let segmentMean = segments("SegmentMean", numericSegments, .numeric, cuda: .mean, ReduceLoops.mean)
        .gradient { g in
            // The number of rows in each segment, in a shape that broadcasts with the gradient.
            let (ids, zero) = (g.inputs[1], g.constant(Tensor(Int32(0))))
            let one = g.constant(Tensor(Int32(1)))
            let rest = g.op("Sub", g.op("Rank", g.inputs[0]), one)
            let ones = g.op("Fill", g.op("Reshape", rest, g.constant([1])), one)
            let shape = g.op("ConcatV2", g.shape(ids), ones, zero)
            let counts = g.op("SegmentSum", g.op("Fill", shape, g.scalar(1, like: g.gradient())), ids)
            return [gather(g, g.op("RealDiv", g.gradient(), counts), ids), nil]
        }

    /// The products of the rows of each segment.
    static let segmentProd = segments("SegmentProd", numericSegments, .numeric, empty: 1, cuda: .product, ReduceLoops.product)
        .gradient { g in
            let (data, ids) = (g.inputs[0], g.inputs[1])
            let isZero = g.op("Equal", data, g.scalar(0, like: data))
            let zeros = g.op("SegmentSum", g.op("Cast", isZero, attributes: ["DstT": .type(.int32)]), ids)
            // With two or more zeros in a segment the gradient is 0; with one zero, only its element has a gradient.
            let several = g.op("Greater", zeros, g.constant(Tensor(Int32(1))))
            let flow = g.op("SelectV2", several, g.op("ZerosLike", g.gradient()), g.gradient())
            let others = g.op("SelectV2", isZero, g.op("OnesLike", data), data)
            let ofOthers = gather(g, g.op("SegmentProd", others, ids), ids)
            let slope = g.op("SelectV2", isZero, ofOthers, g.op("RealDiv", gather(g, g.outputs[0], ids), others))
            return [g.op("Mul", gather(g, flow, ids), slope), nil]
        }

    /// The maxima of the rows of each segment.
    static let segmentMax = segments("SegmentMax", realSegments, .real, cuda: .segmentGreatest, ReduceLoops.segmentGreatest)
        .gradient { g in [segmentExtremeGradient(g), nil] }

    /// The minima of the rows of each segment.
    static let segmentMin = segments("SegmentMin", realSegments, .real, cuda: .segmentLeast, ReduceLoops.segmentLeast)
        .gradient { g in [segmentExtremeGradient(g), nil] }

    private static let numericSegments =
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
        + "uint16, complex128, half, uint32, uint64}"
    private static let realSegments =
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

    /// - Parameter empty: the value of the elements of a segment without rows.
    private static func segments(
        _ name: String, _ types: String, _ cpu: DTypeSet, empty: Double = 0, cuda reducer: CUDAReducer,
        _ loops: @escaping @Sendable (DType) -> ReduceLoops?
    ) -> OpDefinition {
        OpDefinition(name, "(data: T, segment_ids: Tindices) -> (output: T)", types, "Tindices: {int32, int64}")
            .shape { c in
                try c.requireRank(0, atLeast: 1)
                try c.requireRank(1, 1)
                if c.input(0).rank != nil { c.setOutput(0, PartialShape.vector(nil).concatenating(c.input(0).dropFirst())) }
            }
            .kernel(["T": cpu], gpu: ["T": .floating]) { request in
                let type = try request.type("T")
                guard let loops = loops(type) else { throw request.unsupportedType("T") }
                return .sync { context in
                    let shape = context.shape(0)
                    guard shape.rank > 0 else { throw Status.invalidArgument("input must be at least rank 1") }
                    let segments = try SegmentRuns(context.input(1), count: shape[0])
                    try segments.reduce(loops, context.input(0), type, empty: empty, context)
                }
            }
            .cuda { request in
                try CUDASegments(request, reducer, empty: "\(empty)", ids: "Tindices").kernel(ids: 1, rows: nil) { context in
                    let shape = context.shape(0)
                    guard shape.rank > 0 else { throw Status.invalidArgument("input must be at least rank 1") }
                    try SegmentRuns.check(context.input(1), count: shape[0])
                }
            }
    }

    private static func gather(_ g: GradientContext, _ rows: Output, _ ids: Output) -> Output {
        g.op("GatherV2", rows, ids, g.constant(Tensor(Int32(0))))
    }

    /// Returns the gradient of `SegmentMax` and `SegmentMin`. Equal elements share the gradient.
    private static func segmentExtremeGradient(_ g: GradientContext) -> Output {
        let (data, ids) = (g.inputs[0], g.inputs[1])
        let isChosen = g.op("Equal", data, gather(g, g.outputs[0], ids))
        let count = g.op("SegmentSum", g.op("Cast", isChosen, attributes: ["DstT": .type(g.gradient().dtype)]), ids)
        let flow = gather(g, g.op("RealDiv", g.gradient(), count), ids)
        return g.op("SelectV2", isChosen, flow, g.op("ZerosLike", flow))
    }
}

/// Runs of equal segment ids, in ascending order.
struct SegmentRuns {
    /// The first row of each run, followed by the total number of rows.
    private(set) var starts: [Int] = []
    private(set) var ids: [Int] = []
    /// The number of segments, including those without rows.
    let segmentCount: Int

    /// - Parameters:
    /// - count: the number of ids that is required, or nil if it has been checked.
    /// - segmentCount: the number of segments; if nil, the last id plus 1.
    /// - Throws: `invalidArgument` when the ids are not ascending or out of range.
    init(_ tensor: Tensor, count: Int? = nil, segmentCount given: Int? = nil) throws {
        try SegmentRuns.check(tensor, count: count)
        let all = try tensor.integers("segment_ids")
        let (next, overflow) = (all.last ?? -1).addingReportingOverflow(1)
        guard !overflow, next > 0 || all.isEmpty, (given ?? 0) >= 0 else {
            throw Status.invalidArgument("segment ids must be >= 0")
        }
        if let given, next > given { throw Status.invalidArgument("segment ids must be < num_segments") }
        segmentCount = given ?? next
        for (row, id) in all.enumerated() where row == 0 || id != all[row - 1] {
            if let last = ids.last {
                guard last < id else { throw Status.invalidArgument("segment ids are not increasing") }
                try requireInRange(last)
            }
            ids.append(id)
            starts.append(row)
        }
        if let last = ids.last { try requireInRange(last) }
        starts.append(all.count)
    }
    private func requireInRange(_ id: Int) throws {
        guard (0..<segmentCount).contains(id) else {
            throw Status.invalidArgument(
                "Segment id \(id) out of range [0, \(segmentCount)), possibly because 'segment_ids' input is not sorted.")
        }
    }

    /// Reduces the rows of each run to one row of output 0.
    ///
    /// - Parameters:
    /// - empty: the value of the elements of a segment without rows.
    /// - rows: the data row of each id; the caller has checked that they exist. If nil, the row is the id's position.
    func reduce(
        _ loops: ReduceLoops, _ data: Tensor, _ dtype: DType, empty: Double, _ context: borrowing KernelContext,
        rows: [Int]? = nil
    ) throws {
        let shape = try Shape(validating: [segmentCount] + data.shape.dimensions.dropFirst())
        let out = try context.output(0, dtype, shape)
        guard shape.elementCount > 0 else { return }
        let width = shape.elementCount / segmentCount
        let size = dtype.byteCount
        if ids.count < segmentCount { out.fill(with: empty) }
        let (x, target) = (data.firstByte, out.mutableFirstByte)
        let work = width * max(1, (starts.last ?? 0) / max(1, ids.count))
        context.pool.parallelFor(ids.count, grain: max(1, Grain.cheap / work)) { runs in
            let block = min(width, 2048)
            withUnsafeTemporaryAllocation(byteCount: block * loops.accumulatorSize, alignment: 64) { space in
                guard let accumulators = space.baseAddress else { return }
                for run in runs {
                    let range = starts[run]..<starts[run + 1]
                    for column in stride(from: 0, to: width, by: block) {
                        let count = min(block, width - column)
                        loops.clear(accumulators, count)
                        if let rows {
                            for position in range {
                                loops.accumulate(x + (rows[position] * width + column) * size, 1, width, count, accumulators)
                            }
                        } else {
                            loops.accumulate(x + (range.lowerBound * width + column) * size, range.count, width, count, accumulators)
                        }
                        loops.finish(accumulators, target + (ids[run] * width + column) * size, count, range.count)
                    }
                }
            }
        }
    }
}

extension Tensor {
    /// Fills a numeric tensor with a small number.
    fileprivate func fill(with number: Double) {
        if number == 0 { return clearElements() }
        func write<E: NumericElement>(_ type: E.Type) { mutableElements(E.self).update(repeating: E(number: number)) }
        switch dtype {
        case .float32: write(Float.self)
        case .float64: write(Double.self)
        case .float16: write(Float16.self)
        case .bfloat16: write(BFloat16.self)
        case .complex64: write(Complex64.self)
        case .complex128: write(Complex128.self)
        case .int8, .uint8: write(Int8.self)
        case .int16, .uint16: write(Int16.self)
        case .int32, .uint32: write(Int32.self)
        default: write(Int64.self)
        }
    }
}
