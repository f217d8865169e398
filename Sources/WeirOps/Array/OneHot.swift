import WeirDevice
public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// Makes for each index a row with `on_value` at the index and `off_value` elsewhere.
    static let oneHot = OpDefinition(
        "OneHot", "(indices: TI, depth: int32, on_value: T, off_value: T) -> (output: T)", "axis: int = -1", "T: type",
        "TI: {uint8, int8, int32, int64} = int64"
    )
    .shape(oneHotShape)
    .sharding { c in
        guard let rank = c.input(0).rank else { return nil }
        let labels = ShardingContext.labels(rank)
        let axis = c.attributes.int("axis") ?? -1
        guard let front = ShardingContext.axis(axis, rank: rank + 1) else { return nil }
        return ShardingRule(inputs: [labels, [], [], []], outputs: [labels[..<front] + [.whole] + labels[front...]])
    }
    .noGradient()
    .kernel(
        ["T": .unquantized], gpu: ["T": [.floatingOrComplex, .index, DTypeSet(.bool, .int8)]], hostMemory: ["depth"]
    ) { request in
        try request.movable("T", OneHotVisitor(dtype: try request.type("T"), axis: try request.int("axis")))
    }
    .cuda { request in
        let (dtype, axis, device) = (try request.type("T"), try request.int("axis"), try request.cudaDevice())
        let module = try request.cudaModule(
            "OneHot", ["T": dtype.cudaBits, "I": try request.cudaType("TI")],
            CUDADivision.source + """
                template <class N> DEVICE void fill(const I* indices, const T* on, const T* off, T* out, int64 count, Divisor depth, Divisor suffix) {
                    T yes = on[0], no = off[0];
                    for (int64 i = first(); i < count; i += stride()) {
                        N row = divide((N)i, suffix), prefix = divide(row, depth);
                        int64 column = i - (int64)row * suffix.size, place = (int64)row - (int64)prefix * depth.size;
                        out[i] = (int64)indices[(int64)prefix * suffix.size + column] == place ? yes : no;
                    }
                }
                KERNEL one_hot(const I* indices, const T* on, const T* off, T* out, int64 count, Divisor depth, Divisor suffix) {
                    fill<uint32>(indices, on, off, out, count, depth, suffix);
                }
                KERNEL one_hot_large(const I* indices, const T* on, const T* off, T* out, int64 count, Divisor depth, Divisor suffix) {
                    fill<uint64>(indices, on, off, out, count, depth, suffix);
                }
                """)
        return .sync { context in
            let (shape, depth, suffix) = try oneHotPlan(context, axis)
            let output = try context.output(0, dtype, shape)
            let count = output.elementCount
            try device.launch(
                module.function(count < 1 << 31 ? "one_hot" : "one_hot_large"), over: count,
                [
                    .elements(context.input(0)), .elements(context.input(2)), .elements(context.input(3)), .elements(output), .int(count),
                    .divisor(depth), .divisor(suffix),
                ])
        }
    }
}

@Sendable private func oneHotShape(_ c: inout ShapeContext) throws {
    let axis = c.attributes.int("axis") ?? -1
    if axis < -1 { throw Status.invalidArgument("axis must be >= -1") }
    if let rank = c.input(1).rank, rank > 0 {
        throw Status.invalidArgument("Input must be scalar but has rank \(rank)")
    }
    let depth = c.integer(1)
    if let depth, depth < 0 {
        throw Status.invalidArgument("Dimension size, given by scalar input 1, must be non-negative but is \(depth)")
    }
    guard let indices = c.input(0).dimensions else { return }
    let position = axis == -1 ? indices.count : axis
    guard position <= indices.count else { return }
    c.setOutput(0, PartialShape(indices[..<position] + [depth] + indices[position...]))
}

/// The shape of the result, the depth, and the number of rows' columns after the axis.
private func oneHotPlan(_ context: borrowing KernelContext, _ axis: Int) throws -> (Shape, depth: Int, suffix: Int) {
    let indices = context.input(0)
    let (depths, on, off) = (context.input(1), context.input(2), context.input(3))
    guard axis >= -1, axis <= indices.rank else {
        throw Status.invalidArgument(
            "Expected axis to be -1 or between [0, \(indices.rank + 1)).  But received: \(axis)")
    }
    guard depths.rank == 0 else {
        throw Status.invalidArgument("depth must be a scalar, but got: \(depths.shape)")
    }
    guard on.rank == 0 else { throw Status.invalidArgument("on_value must be a scalar, but got: \(on.shape)") }
    guard off.rank == 0 else {
        throw Status.invalidArgument("off_value must be a scalar, but got: \(off.shape)")
    }
    let depth = try depths.integer("depth")
    guard depth >= 0 else { throw Status.invalidArgument("depth must be non-negative, got: \(depth)") }
    guard !indices.elementCount.multipliedReportingOverflow(by: depth).overflow else {
        throw Status.invalidArgument(
            "OneHot result would have shape \(indices.shape) + [\(depth)], which exceeds 2**63 - 1 elements")
    }
    let position = axis == -1 ? indices.rank : axis
    let sizes = indices.shape.dimensions
    return (
        try Shape(validating: Array(sizes[..<position] + [depth] + sizes[position...])), depth, wrappingProduct(sizes[position...])
    )
}

private struct OneHotVisitor: MovableVisitor {
    let dtype: DType
    let axis: Int

    func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel {
        .sync { [dtype, axis] context in
            let (indices, on, off) = (context.input(0), context.input(2), context.input(3))
            let (shape, depth, suffix) = try oneHotPlan(context, axis)
            let output = try context.output(0, dtype, shape)
            guard output.elementCount > 0 else { return }
            output.fillElements(with: off, in: context.pool)
            let places = try indices.integers("indices")
            let elements = output.mutableElements(E.self)
            let value = on.elements(E.self)[0]
            for (flat, place) in places.enumerated() where place >= 0 && place < depth {
                let (row, column) = flat.quotientAndRemainder(dividingBy: suffix)
                elements[(row &* depth &+ place) &* suffix &+ column] = value
            }
        }
    }
}

extension Output {
    /// Makes for each index a row with `on` at the index and `off` elsewhere. An index out of range gives a row of `off`
    /// (`OneHot`).
    public func oneHot(depth: Int, axis: Int = -1, on: Double = 1, off: Double = 0, dtype: DType = .float32) -> Output {
        oneHot(
            depth: builder.int32(depth, "depth"), on: builder.scalar(on, dtype),
            off: builder.scalar(off, dtype), axis: axis)
    }
    /// Makes for each index a row with `on` at the index and `off` elsewhere (`OneHot`).
    public func oneHot(depth: Output, on: Output, off: Output, axis: Int = -1) -> Output {
        builder.add("OneHot", [self, depth, on, off], attributes: ["axis": .int(axis)])[0]
    }
}
