import WeirDevice
public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// The index of the maximum along an axis; the first one of equal elements.
    static let argMax = argExtreme("ArgMax", "Tidx: {int16, int32, int64} = int32", "output_type: {int16, uint16, int32, int64} = int64", isMaximum: true)
    /// The index of the minimum along an axis; the first one of equal elements.
    static let argMin = argExtreme("ArgMin", "Tidx: {int32, int64} = int32", "output_type: {int32, int64} = int64", isMaximum: false)

    private static func argExtreme(_ name: String, _ axisTypes: String, _ outputTypes: String, isMaximum: Bool) -> OpDefinition {
        OpDefinition(
            name, "(input: T, dimension: Tidx) -> (output: output_type)",
            "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, qint8, quint8, qint32, "
                + "qint16, quint16, bool}", axisTypes, outputTypes
        )
        .shape { c in
            try c.requireRank(1, 0)
            guard let rank = c.input(0).rank else { return }
            if rank <= 1 { return c.setOutput(0, .scalar) }
            guard let axis = try c.constant(1)?.integer("dimension") else { return c.setOutput(0, .ofRank(rank - 1)) }
            guard axis >= -rank, axis < rank else {
                throw Status.invalidArgument(
                    "Dimension (\(axis)) must be in the range [\(-rank), \(rank)), where \(rank) is the number of dimensions in the input.")
            }
            var sizes = c.input(0).dimensions ?? []
            sizes.remove(at: axis < 0 ? axis + rank : axis)
            c.setOutput(0, PartialShape(sizes))
        }
        .sharding { c in
            guard let rank = c.input(0).rank, let axis = c.axis(1, rank: rank) else { return nil }
            var labels = ShardingContext.labels(rank)
            labels[axis] = .whole
            return ShardingRule(inputs: [labels, []], outputs: [labels.filter { $0 != .whole }])
        }
        .noGradient()
        .kernel(
            ["T": [.real, DTypeSet(.bool)]],
            gpu: ["T": [.floating, DTypeSet(.bool)], "Tidx": DTypeSet(.int32), "output_type": .index],
            hostMemory: ["dimension"]
        ) { request in
            let visitor = ArgExtremeVisitor(output: try request.type("output_type"), isMaximum: isMaximum)
            // Bools are compared as bytes.
            return try request.type("T") == .bool ? visitor.visit(UInt8.self) : request.real("T", visitor)
        }
        .cuda { request in
            let (type, output) = (try request.type("T"), try request.type("output_type"))
            let program = try CUDAReduction(
                request.cudaDevice(), request.op.name, type == .bool ? .uint8 : type, output, .place(ofGreatest: isMaximum))
            return .sync { context in
                let plan = try ArgExtremePlan(context)
                let input = context.input(0)
                let out = try context.output(0, output, plan.result)
                let isReduced = (0..<input.rank).map { $0 == plan.axis }
                if input.elementCount > 0 { try program.run(Reduction(input.shape, isReduced), input, out) }
            }
        }
    }
}

/// The axis of a search, and the result's shape.
private struct ArgExtremePlan {
    let axis: Int
    let result: Shape

    init(_ context: borrowing KernelContext) throws {
        let shape = context.shape(0)
        guard context.shape(1).rank == 0 else {
            throw Status.invalidArgument("dim must be a scalar, but received tensor of shape: \(context.shape(1))")
        }
        let axis = try context.input(1).integer("dimension")
        guard axis >= -shape.rank, axis < shape.rank else {
            throw Status.invalidArgument("Expected dimension in the range [\(-shape.rank), \(shape.rank)), but got \(axis)")
        }
        let front = axis < 0 ? axis + shape.rank : axis
        guard shape[front] > 0 else {
            throw Status.invalidArgument("Reduction axis \(front) is empty in shape \(shape)")
        }
        self.axis = front
        result = try Shape(validating: shape.removing(front).dimensions)
    }
}

extension CUDAReducer {
    /// The index of the greatest or the least element; the first of equal ones. NaN is never the best value.
    fileprivate static func place(ofGreatest isMaximum: Bool) -> CUDAReducer {
        let (start, better) = isMaximum ? ("lowest<C>()", ">") : ("highest<C>()", "<")
        return CUDAReducer(
            accumulator: "Best", zero: "best(\(start), 0)", accumulate: "x \(better) a.value ? best(x, j) : a",
            merge: "b.value \(better) a.value || (b.value == a.value && b.place < a.place) ? b : a", finish: "a.place",
            declarations: CUDAReducer.limits + """
                struct Best { C value; int64 place; };
                DEVICE Best best(C value, int64 place) { Best b = {value, place}; return b; }

                """)
    }
}

private struct ArgExtremeVisitor: RealVisitor {
    let output: DType
    let isMaximum: Bool

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        isMaximum ? kernel(E.self, ArgGreatest.self) : kernel(E.self, ArgLeast.self)
    }

    private func kernel<E: RealElement, F: ArgSearch>(_ type: E.Type, _ search: F.Type) -> Kernel {
        .sync { [output] context in
            let plan = try ArgExtremePlan(context)
            let (shape, front) = (context.shape(0), plan.axis)
            let x = context.elements(0, E.self)
            let out = try context.output(0, output, plan.result)
            guard let base = x.baseAddress, x.count > 0 else { return }
            let (length, inner) = (shape[front], shape.count((front + 1)...))
            // Each task takes some columns of one outer position, so that their best values stay in the cache.
            let width = min(inner, argBlock)
            let blocks = (inner + width - 1) / width
            let outer = x.count / (length * inner)
            context.pool.parallelFor(outer * blocks, grain: max(1, Grain.cheap / (length * width))) { tasks in
                withUnsafeTemporaryAllocation(of: E.self, capacity: width) { bests in
                    withUnsafeTemporaryAllocation(of: Int64.self, capacity: width) { places in
                        guard let bests = bests.baseAddress, let places = places.baseAddress else { return }
                        for task in tasks {
                            let (row, column) = (task / blocks, task % blocks * width)
                            let count = min(width, inner - column)
                            F.find(base + row * length * inner + column, length, inner, count, bests, places)
                            store(places, count, out, row * inner + column)
                        }
                    }
                }
            }
        }
    }

    private func store(_ places: UnsafePointer<Int64>, _ count: Int, _ out: Tensor, _ start: Int) {
        func write<I: FixedWidthInteger>(_ type: I.Type) {
            let target = out.mutableElements(I.self)
            for index in 0..<count { target[start + index] = I(truncatingIfNeeded: places[index]) }
        }
        switch output {
        case .int16, .uint16: write(Int16.self)
        case .int32: write(Int32.self)
        default: write(Int64.self)
        }
    }
}

/// The number of columns that a task searches at a time.
private let argBlock = 512
/// The number of lanes in the search of a contiguous row.
private let argLanes = 64

private protocol ArgSearch: SendableMetatype {
    static func start<E: RealElement>(_ type: E.Type) -> E
    static func isBetter<E: RealElement>(_ x: E, _ best: E) -> Bool
}
// Comparisons with NaN are false, so NaN is never the best value.
private enum ArgGreatest: ArgSearch {
    static func start<E: RealElement>(_ type: E.Type) -> E { .lowest }
    static func isBetter<E: RealElement>(_ x: E, _ best: E) -> Bool { x > best }
}
private enum ArgLeast: ArgSearch {
    static func start<E: RealElement>(_ type: E.Type) -> E { .highest }
    static func isBetter<E: RealElement>(_ x: E, _ best: E) -> Bool { x < best }
}

extension ArgSearch {
    /// Finds the index of the best element in each of `count` columns, over rows that are `stride` elements apart.
    static func find<E: RealElement>(
        _ x: UnsafePointer<E>, _ rowCount: Int, _ stride: Int, _ count: Int, _ bests: UnsafeMutablePointer<E>,
        _ places: UnsafeMutablePointer<Int64>
    ) {
        if count == 1, stride == 1, rowCount >= 4 * argLanes {
            places[0] = Int64(findInRow(x, rowCount))
            return
        }
        if count == 1 {
            var (best, place) = (start(E.self), 0)
            for row in 0..<rowCount where isBetter(x[row &* stride], best) {
                best = x[row &* stride]
                place = row
            }
            places[0] = Int64(place)
            return
        }
        for column in 0..<count {
            bests[column] = start(E.self)
            places[column] = 0
        }
        for row in 0..<rowCount {
            let values = x + row * stride
            let place = Int64(row)
            for column in 0..<count {
                let better = isBetter(values[column], bests[column])
                bests[column] = better ? values[column] : bests[column]
                places[column] = better ? place : places[column]
            }
        }
    }

    /// Returns the index of the best element in a long row. Reduces block by block, and searches a block for the index only if
    /// it has a better element.
    private static func findInRow<E: RealElement>(_ x: UnsafePointer<E>, _ length: Int) -> Int {
        withUnsafeTemporaryAllocation(of: E.self, capacity: argLanes) { lanes in
            var (best, place, first) = (start(E.self), 0, 0)
            while first < length {
                let end = min(first + 16 * argLanes, length)
                for lane in 0..<argLanes { lanes[lane] = best }
                var index = first
                while index + argLanes <= end {
                    for lane in 0..<argLanes { lanes[lane] = isBetter(x[index &+ lane], lanes[lane]) ? x[index &+ lane] : lanes[lane] }
                    index += argLanes
                }
                for lane in 0..<end - index { lanes[lane] = isBetter(x[index + lane], lanes[lane]) ? x[index + lane] : lanes[lane] }
                var blockBest = best
                for lane in 0..<argLanes where isBetter(lanes[lane], blockBest) { blockBest = lanes[lane] }
                if isBetter(blockBest, best) {
                    best = blockBest
                    place = first
                    while x[place] != best { place += 1 }
                }
                first = end
            }
            return place
        }
    }
}

extension Output {
    /// Returns the index of the maximum along an axis; the first one of equal elements. Negative axes count from the last
    /// (ArgMax).
    public func argMax(axis: Int, outputType: DType = .int64) -> Output { argExtreme("ArgMax", axis, outputType) }
    /// Returns the index of the minimum along an axis; the first one of equal elements. Negative axes count from the last
    /// (ArgMin).
    public func argMin(axis: Int, outputType: DType = .int64) -> Output { argExtreme("ArgMin", axis, outputType) }

    private func argExtreme(_ op: String, _ axis: Int, _ type: DType) -> Output {
        builder.add(op, [self, builder.int32(axis, "axis")], attributes: ["output_type": .type(type)])[0]
    }
}
