public import WeirGraph
import WeirDevice
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StridedSliceAssign`: writes a value to a strided slice of a variable.
    static let stridedSliceAssign = OpDefinition(
        "StridedSliceAssign",
        "(ref: Ref(T), begin: Index, end: Index, strides: Index, value: T) -> (output_ref: Ref(T))",
        attributes: sliceAttributes
    )
    .resourceForm("ResourceStridedSliceAssign")
    .shape { c in c.setOutput(0, c.input(0)) }
    .noGradient()
    .kernel(
        gpu: ["T": StateTypes.gpuAssign, "Index": .index], hostMemory: ["begin", "end", "strides"],
        make: sliceAssignKernel
    )
    .cuda(cudaSliceAssignKernel)

    /// `ResourceStridedSliceAssign`: writes a value to a strided slice of a variable.
    static let resourceStridedSliceAssign = OpDefinition(
        "ResourceStridedSliceAssign",
        "(ref: resource, begin: Index, end: Index, strides: Index, value: T) -> ()", attributes: sliceAttributes
    )
    .stateful()
    .variable(.update)
    .shape { c in _ = try StateShapes.variable(c, attribute: "T") }
    .noGradient()
    .kernel(
        gpu: ["T": StateTypes.gpuAssign, "Index": .index], hostMemory: ["ref", "begin", "end", "strides"],
        make: sliceAssignKernel
    )
    .cuda(cudaSliceAssignKernel)
}

private let sliceAttributes = [
    "T: type", "Index: {int32, int64}", "begin_mask: int = 0", "end_mask: int = 0", "ellipsis_mask: int = 0",
    "new_axis_mask: int = 0", "shrink_axis_mask: int = 0",
]

@Sendable private func sliceAssignKernel(_ request: KernelRequest) throws -> Kernel {
    try sliceAssignKernel(request) { copy, value, target, start, pool in copy.run(from: value, to: target, at: start, in: pool) }
}

@Sendable private func cudaSliceAssignKernel(_ request: KernelRequest) throws -> Kernel {
    let device = try request.cudaDevice()
    let module = try request.cudaModule("strided write", ["T": request.type("T").cudaBits], stridedWrite)
    return try sliceAssignKernel(request) { copy, value, target, start, _ in
        guard copy.sizes.count <= 8 else { throw Status.unimplemented("A GPU writes slices of at most 8 dimensions") }
        let rest = [Int](repeating: 0, count: 8 - copy.sizes.count)
        let count = copy.sizes.reduce(1, *)
        try device.launch(
            module.function("write"), over: count,
            [
                .elements(value), .elements(target), .int(start), .int(count),
                .ints([copy.sizes.count] + copy.sizes + rest + copy.sourceStrides + rest + copy.targetStrides + rest),
            ])
    }
}

private let stridedWrite = """
    struct Block { int64 rank, sizes[8], from[8], to[8]; };
    KERNEL write(const T* value, T* target, int64 start, int64 count, Block block) {
        for (int64 i = first(); i < count; i += stride()) {
            int64 rest = i, from = 0, to = start;
            for (int d = (int)block.rank - 1; d >= 0; d--) {
                int64 quotient = rest / block.sizes[d], at = rest - quotient * block.sizes[d];
                from += at * block.from[d];
                to += at * block.to[d];
                rest = quotient;
            }
            target[to] = value[from];
        }
    }

    """

/// - Parameter write: copies the value to the target, from the index `start`.
private func sliceAssignKernel(
    _ request: KernelRequest,
    write: @escaping @Sendable (StridedCopy, _ value: Tensor, _ target: Tensor, _ start: Int, ComputePool) throws -> Void
) throws -> Kernel {
    let (variable, dtype) = (VariableInput(request), try request.type("T"))
    let masks = SliceBounds.Masks(
        begin: try request.int("begin_mask"), end: try request.int("end_mask"),
        ellipsis: try request.int("ellipsis_mask"), newAxis: try request.int("new_axis_mask"),
        shrinkAxis: try request.int("shrink_axis_mask"))
    return .sync { context in
        let cell = try variable.cell(context, dtype)
        let (begin, end, strides) = (context.input(1), context.input(2), context.input(3))
        let value = context.input(4)
        let pool = context.pool
        try cell.modify { target in
            let slice = try SliceBounds(begin, end, strides, masks, of: target.shape)
            guard !slice.counts.contains(0) else { return }
            let valueStrides = try broadcastStrides(value.shape, over: slice)
            let targetStrides = target.shape.strides
            let start = zip(slice.begins, targetStrides).reduce(0) { $0 + $1.0 * $1.1 }
            let steps = zip(slice.steps, targetStrides).map { $0 &* $1 }
            try write(StridedCopy(slice.counts, from: valueStrides, to: steps), value, target, start, pool)
        }
        variable.passOn(context)
    }
}

/// Returns the strides with which `value` is broadcast over the slice, one for each dimension of the sliced tensor.
private func broadcastStrides(_ value: Shape, over slice: SliceBounds) throws -> [Int] {
    let sizes = slice.sizes
    let extra = value.rank - sizes.count
    func mismatch() -> Status {
        .invalidArgument("Cannot broadcast input shape \(value) into final shape \(Shape(sizes))")
    }
    guard value.elementCount > 0 else { throw mismatch() }
    var strides = [Int](repeating: 0, count: slice.counts.count)
    let own = value.strides
    for position in 0..<value.rank where value[position] != 1 {
        guard position >= extra, value[position] == sizes[position - extra] else { throw mismatch() }
        if let axis = slice.axes[position - extra] { strides[axis] = own[position] }
    }
    return strides
}

extension GraphBuilder {
    /// Writes `value` to the slice `begin..<end` of the variable of a reference or handle.
    @discardableResult
    public func assignSlice(_ variable: Output, _ begin: [Int], _ end: [Int], _ value: Output) -> Operation {
        let bounds = [begin, end, begin.map { _ in 1 }].map { constant(Tensor($0.map { Int64($0) })) }
        let op = variable.isReference ? "StridedSliceAssign" : "ResourceStridedSliceAssign"
        return add(op, [variable] + bounds + [value], attributes: ["T": .type(value.dtype)])
    }
}
