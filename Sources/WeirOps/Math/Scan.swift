import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The cumulative sum along an axis.
    static let cumsum = scan("Cumsum", cuda: .sum) { type in .of(Functions.Plus.self, type) }
        .gradient { g in
            let reverse = !(g.attributes.bool("reverse") ?? false)
            let exclusive = g.attributes.bool("exclusive") ?? false
            return [
                g.op("Cumsum", g.gradient(), g.inputs[1], attributes: ["exclusive": .bool(exclusive), "reverse": .bool(reverse)]),
                nil,
            ]
        }

    /// The cumulative product along an axis.
    static let cumprod = scan("Cumprod", cuda: .product) { type in .of(Functions.Times.self, type) }
        .gradient { g in
            let reverse = g.attributes.bool("reverse") ?? false
            let exclusive = g.attributes.bool("exclusive") ?? false
            let product = g.op(
                "Cumprod", g.inputs[0], g.inputs[1], attributes: ["exclusive": .bool(exclusive), "reverse": .bool(reverse)])
            let flow = g.op(
                "Cumsum", g.op("Mul", product, g.gradient()), g.inputs[1],
                attributes: ["exclusive": .bool(exclusive), "reverse": .bool(!reverse)])
            return [g.op("DivNoNan", flow, g.inputs[0]), nil]
        }

    private static func scan(
        _ name: String, cuda reducer: CUDAReducer, _ loop: @escaping @Sendable (DType) -> ScanLoop?
    ) -> OpDefinition {
        OpDefinition(
            name, "(x: T, axis: Tidx) -> (out: T)", "exclusive: bool = false", "reverse: bool = false",
            "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
                + "uint16, complex128, half, uint32, uint64}", "Tidx: {int32, int64} = int32"
        )
        .shape(ShapeFunctions.unchanged)
        .sharding { c in
            c.input(0).rank.flatMap { rank in c.axis(1, rank: rank) }.flatMap { ShardingRule.independent(c, except: [$0]) }
        }
        .kernel(["T": .numeric], gpu: ["T": [.floating, .index]], hostMemory: ["axis"]) { request in
            let type = try request.type("T")
            guard let loop = loop(type) else { throw request.unsupportedType("T") }
            let (exclusive, reverse) = (try request.bool("exclusive"), try request.bool("reverse"))
            return .sync { context in
                let shape = context.shape(0)
                let front = try scanAxis(context)
                let x = context.firstByte(0)
                let out = try context.output(0, type, shape).mutableFirstByte
                guard shape.elementCount > 0 else { return }
                let (length, inner) = (shape[front], shape.count((front + 1)...))
                let width = min(inner, 1024)
                let blocks = (inner + width - 1) / width
                let outer = shape.elementCount / (length * inner)
                context.pool.parallelFor(outer * blocks, grain: max(1, Grain.cheap / (length * width))) { tasks in
                    for task in tasks {
                        let column = task % blocks * width
                        let start = (task / blocks * length * inner + column) * type.byteCount
                        loop.run(x + start, out + start, length, inner, min(width, inner - column), exclusive, reverse)
                    }
                }
            }
        }
        .cuda { request in
            let type = try request.type("T")
            let program = try CUDAScan(
                request.cudaDevice(), request.op.name, type, type, reducer, isExclusive: request.bool("exclusive"),
                isReverse: request.bool("reverse"))
            return .sync { context in
                let (shape, axis) = (context.shape(0), try scanAxis(context))
                try program.run(context.input(0), try context.output(0, type, shape), axis: axis)
            }
        }
    }
}

/// The dimension along which a node combines elements.
private func scanAxis(_ context: borrowing KernelContext) throws -> Int {
    let rank = context.shape(0).rank
    guard context.shape(1).rank == 0 else {
        throw Status.invalidArgument("ScanOp: axis must be a scalar, not \(context.shape(1))")
    }
    let axis = try context.input(1).integer("axis")
    guard axis >= -rank, axis < rank else {
        throw Status.invalidArgument("ScanOp: Expected scan axis in the range [\(-rank), \(rank)), but got \(axis)")
    }
    return axis < 0 ? axis + rank : axis
}

/// A loop that combines each row with all rows before it.
private struct ScanLoop: Sendable {
    let run:
        @Sendable (
            _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ rowCount: Int, _ stride: Int, _ width: Int,
            _ exclusive: Bool, _ reverse: Bool
        ) -> Void

    private init<F: NumericBinary, E: NumericElement>(_ function: F.Type, _ type: E.Type, _ identity: E) {
        run = { x, out, rowCount, stride, width, exclusive, reverse in
            let x = x.assumingMemoryBound(to: E.self)
            let out = out.assumingMemoryBound(to: E.self)
            let step = reverse ? -stride : stride
            var row = reverse ? (rowCount - 1) * stride : 0
            if width == 1 {
                var sum = identity
                for _ in 0..<rowCount {
                    let next = F.apply(sum, x[row])
                    out[row] = exclusive ? sum : next
                    sum = next
                    row += step
                }
                return
            }
            for column in 0..<width { out[row + column] = exclusive ? identity : x[row + column] }
            for _ in 1..<rowCount {
                let (before, values) = (out + row, x + (exclusive ? row : row + step))
                let target = out + (row + step)
                for column in 0..<width { target[column] = F.apply(before[column], values[column]) }
                row += step
            }
        }
    }

    static func of<F: NumericBinary>(_ function: F.Type, _ dtype: DType) -> ScanLoop? {
        func loop<E: NumericElement>(_ type: E.Type) -> ScanLoop {
            ScanLoop(F.self, E.self, F.self == Functions.Times.self ? .one : .zero)
        }
        switch dtype {
        case .float32: return loop(Float.self)
        case .float64: return loop(Double.self)
        case .float16: return loop(Float16.self)
        case .bfloat16: return loop(BFloat16.self)
        case .complex64: return loop(Complex64.self)
        case .complex128: return loop(Complex128.self)
        case .int8, .uint8: return loop(Int8.self)
        case .int16, .uint16: return loop(Int16.self)
        case .int32, .uint32: return loop(Int32.self)
        case .int64, .uint64: return loop(Int64.self)
        default: return nil
        }
    }
}

extension Output {
    /// Returns the cumulative sum along an axis (Cumsum).
    public func cumulativeSum(axis: Int, exclusive: Bool = false, reverse: Bool = false) -> Output {
        builder.add(
            "Cumsum", [self, builder.int32(axis, "axis")],
            attributes: ["exclusive": .bool(exclusive), "reverse": .bool(reverse)])[0]
    }
}
