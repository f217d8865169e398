import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The cross products of vectors of three elements, in the last dimension.
    static let cross = OpDefinition(
        "Cross", "(a: T, b: T) -> (product: T)",
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
    )
    .shape { c in
        for index in 0..<2 {
            try c.requireRank(index, atLeast: 1)
            if let size = c.input(index)[-1], c.input(index).rank != nil, size != 3 {
                throw Status.invalidArgument("Dimension must be 3 but is \(size)")
            }
        }
        c.setOutput(0, try c.input(0).merging(c.input(1)))
    }
    .gradient { g in
        [g.op("Cross", g.inputs[1], g.gradient()), g.op("Cross", g.gradient(), g.inputs[0])]
    }
    .kernel(["T": .real], gpu: ["T": .real]) { try $0.real("T", CrossVisitor()) }
    .cuda { request in
        let (type, device) = (try request.type("T"), try request.cudaDevice())
        let module = try request.cudaModule(
            nil, ["T": request.cudaType("T")],
            """
            KERNEL cross(const T* a, const T* b, T* out, int64 count) {
                for (int64 i = first(); i < count; i += stride()) {
                    int64 k = i % 3, base = i - k, p = base + (k + 1) % 3, q = base + (k + 2) % 3;
                    out[i] = narrow<T>(rounded<T>(widen(a[p]) * widen(b[q])) - rounded<T>(widen(a[q]) * widen(b[p])));
                }
            }
            """)
        return .sync { context in
            let shape = try crossShape(context)
            let out = try context.output(0, type, shape)
            try device.launch(
                module.function("cross"), over: shape.elementCount,
                [.elements(context.input(0)), .elements(context.input(1)), .elements(out), .int(shape.elementCount)])
        }
    }

    /// Half the sum of the squares of all elements.
    static let l2Loss = OpDefinition("L2Loss", "(t: T) -> (output: T)", "T: {half, bfloat16, float, double}")
        .shape(ShapeFunctions.scalar)
        .sharding { c in
            guard let rank = c.input(0).rank else { return nil }
            let labels = ShardingContext.labels(rank)
            return ShardingRule(inputs: [labels], outputs: [[]], sums: Set(labels))
        }
        .gradient { g in [g.op("Mul", g.inputs[0], g.gradient())] }
        .kernel(["T": .floating], gpu: ["T": .floating]) { request in
            let type = try request.type("T")
            let loops: ReduceLoops
            switch type {
            case .float32: loops = ReduceLoops(HalfSquareReducer<Float>.self)
            case .float64: loops = ReduceLoops(HalfSquareReducer<Double>.self)
            case .float16: loops = ReduceLoops(HalfSquareReducer<Float16>.self)
            default: loops = ReduceLoops(HalfSquareReducer<BFloat16>.self)
            }
            return .sync { context in
                let count = context.shape(0).elementCount
                let x = context.firstByte(0)
                let out = try context.output(0, type, .scalar).mutableFirstByte
                try Reduction(Shape(count), [true]).run(loops, x, out, on: context.pool)
            }
        }
        .cuda { request in
            let type = try request.type("T")
            let reducer = CUDAReducer(zero: "number<C>(0)", accumulate: "a + x * x", merge: "a + b", finish: "a / 2")
            let program = try CUDAReduction(request.cudaDevice(), request.op.name, type, type, reducer)
            return .sync { context in
                let x = context.input(0)
                try program.run(Reduction(Shape(x.elementCount), [true]), x, try context.output(0, type, .scalar))
            }
        }
}

/// The shape of both inputs, whose last dimension is 3.
private func crossShape(_ context: borrowing KernelContext) throws -> Shape {
    let shape = context.shape(0)
    guard shape == context.shape(1) else {
        throw Status.invalidArgument("Both inputs must be of same shape: \(shape) vs. \(context.shape(1))")
    }
    guard shape.rank > 0 else { throw Status.invalidArgument("Input must be at least 1D\(shape)") }
    guard shape[shape.rank - 1] == 3 else {
        throw Status.failedPrecondition("Cross-products are only defined for 3-element vectors.")
    }
    return shape
}

private enum HalfSquareReducer<E: FloatingElement>: Reducer {
    static var identity: E.Compute { 0 }
    @inline(__always) static func enter(_ x: E) -> E.Compute { x.compute * x.compute }
    @inline(__always) static func combine(_ a: E.Compute, _ b: E.Compute) -> E.Compute { a + b }
    @inline(__always) static func leave(_ a: E.Compute, _ count: Int) -> E { E(compute: a / 2) }
}

private struct CrossVisitor: RealVisitor {
    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { context in
            let shape = try crossShape(context)
            let (a, b) = (context.elements(0, E.self), context.elements(1, E.self))
            let out = try context.output(0, E.dtype, shape).mutableElements(E.self)
            for start in stride(from: 0, to: a.count, by: 3) {
                let (a0, a1, a2) = (a[start], a[start + 1], a[start + 2])
                let (b0, b1, b2) = (b[start], b[start + 1], b[start + 2])
                out[start] = .minus(.times(a1, b2), .times(a2, b1))
                out[start + 1] = .minus(.times(a2, b0), .times(a0, b2))
                out[start + 2] = .minus(.times(a0, b1), .times(a1, b0))
            }
        }
    }
}
