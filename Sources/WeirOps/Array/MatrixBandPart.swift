import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

import Glibc

extension OpDefinition {
    /// Sets the elements of matrices outside a band around the main diagonal to zero. A negative width keeps that whole side.
    static let matrixBandPart = OpDefinition(
        "MatrixBandPart", "(input: T, num_lower: Tindex, num_upper: Tindex) -> (band: T)", "T: type",
        "Tindex: {int32, int64} = int64"
    )
    .shape(ShapeFunctions.unchanged)
    .gradient { g in [g.op("MatrixBandPart", g.gradient(), g.inputs[1], g.inputs[2]), nil, nil] }
    .kernel(
        ["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]],
        hostMemory: ["num_lower", "num_upper"],
        make: matrixBandPartKernel
    )
    .cuda(matrixBandPartCUDAKernel)
}

@Sendable private func matrixBandPartKernel(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("T")
    return .sync { context in
        let shape = context.shape(0)
        let (rows, columns, lower, upper) = try band(context)
        let source = context.input(0).firstByte
        let output = try context.output(0, dtype, shape, reusing: 0)
        if output.firstByte != source { output.copyElements(from: context.input(0)) }
        guard shape.elementCount > 0 else { return }
        let size = dtype.byteCount
        let base = output.mutableFirstByte
        context.pool.parallelFor(shape.elementCount / columns, grain: max(1, (64 << 10) / (columns * size))) { range in
            for line in range {
                let row = line % rows
                let start = lower < 0 ? 0 : min(columns, max(0, row - lower))
                let end = upper < 0 ? columns : min(columns, row + upper + 1)
                let bytes = base + line * columns * size
                memset(bytes, 0, start * size)
                if end < columns { memset(bytes + end * size, 0, (columns - end) * size) }
            }
        }
    }
}

@Sendable private func matrixBandPartCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let (dtype, device) = (try request.type("T"), try request.cudaDevice())
    let module = try request.cudaModule(
        "MatrixBandPart", ["T": dtype.cudaBits],
        """
        KERNEL keep_band(const T* in, T* out, int64 count, int64 rows, int64 columns, int64 lower, int64 upper) {
            T zero = {};
            for (int64 i = first(); i < count; i += stride()) {
                int64 line = count < (int64)1 << 31 ? (int64)((uint32)i / (uint32)columns) : i / columns;
                int64 row = count < (int64)1 << 31 ? (int64)((uint32)line % (uint32)rows) : line % rows, column = i - line * columns;
                bool inside = (lower < 0 || row - column <= lower) && (upper < 0 || column - row <= upper);
                if (!inside || in != out) out[i] = inside ? in[i] : zero;
            }
        }
        """)
    return .sync { context in
        let (rows, columns, lower, upper) = try band(context)
        let shape = context.shape(0)
        let source = CUDAArgument.elements(context.input(0))
        let output = try context.output(0, dtype, shape, reusing: 0)
        try device.launch(
            module.function("keep_band"), over: shape.elementCount,
            [source, .elements(output), .int(shape.elementCount), .int(rows), .int(columns), .int(lower), .int(upper)])
    }
}

/// The size of a matrix, and the widths of the band.
private func band(_ context: borrowing KernelContext) throws -> (rows: Int, columns: Int, lower: Int, upper: Int) {
    let shape = context.shape(0)
    guard shape.rank > 1 else {
        throw Status.invalidArgument("input must be at least 2-dim, received shape: \(shape)")
    }
    let (rows, columns) = (shape[shape.rank - 2], shape[shape.rank - 1])
    let lower = try width(context.input(1), "num_lower", rows, "rows")
    let upper = try width(context.input(2), "num_upper", columns, "columns")
    return (rows, columns, lower, upper)
}

private func width(_ tensor: Tensor, _ name: String, _ limit: Int, _ what: String) throws -> Int {
    guard tensor.rank == 0 else { throw Status.invalidArgument("\(name) must be scalar, got shape \(tensor.shape)") }
    let width = try tensor.integer(name)
    guard width <= limit else {
        throw Status.invalidArgument(
            "\(name) must be negative or less or equal to number of \(what) (\(limit)) got: \(width)")
    }
    return width
}

extension Output {
    /// Sets the elements outside a band around the main diagonal to zero. A width of -1 keeps that whole side (`MatrixBandPart`).
    public func bandPart(lower: Int, upper: Int) -> Output {
        builder.add(
            "MatrixBandPart",
            [self, builder.constant(Tensor(Int64(lower))), builder.constant(Tensor(Int64(upper)))])[0]
    }
}
