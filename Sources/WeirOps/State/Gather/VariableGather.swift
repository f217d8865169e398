import WeirDevice
public import WeirGraph
import WeirKernels
public import WeirTensor

// Reads of some rows of a variable.

extension OpDefinition {
    /// `ResourceGather`: the rows of a variable at some indices.
    static let resourceGather = OpDefinition(
        "ResourceGather", "(resource: resource, indices: Tindices) -> (output: dtype)", "batch_dims: int = 0",
        "validate_indices: bool = true", "dtype: type", "Tindices: {int32, int64}"
    )
    .stateful()
    .variable(.gather)
    .shape { c in
        let variable = try StateShapes.variable(c)
        let batch = c.attributes.int("batch_dims") ?? 0
        guard Int32(exactly: batch) != nil else {
            throw Status.invalidArgument("Attr batch_dims has value \(batch) out of range for an int32")
        }
        guard batch >= 0 else { throw Status.invalidArgument("batch_dims is negative (\(batch))") }
        guard variable.rank != nil else { return }
        let tail = c.input(1).dropFirst(batch).concatenating(variable.dropFirst(batch + 1))
        c.setOutput(0, PartialShape(variable.dimensions.map { Array($0.prefix(batch)) }).concatenating(tail))
    }
    .sharding { c in (c.attributes.int("batch_dims") ?? 0) == 0 ? ShardingRule.lookup(c, axis: 0) : nil }
    .gradient { g in [try gatherGradient(g), nil] }
    .kernel(
        ["Tindices": .index], gpu: ["dtype": StateTypes.gpuAssign, "Tindices": .index], hostMemory: ["resource"]
    ) { request in gatherKernel(try request.type("dtype"), rowsPlan(try request.int("batch_dims"))) }
    .cuda { request in try cudaGatherKernel(request, rowsPlan(try request.int("batch_dims"))) }

    /// `ResourceGatherNd`: the slices of a variable, each selected by an index vector.
    static let resourceGatherNd = OpDefinition(
        "ResourceGatherNd", "(resource: resource, indices: Tindices) -> (output: dtype)", "dtype: type",
        "Tindices: {int32, int64}"
    )
    .stateful()
    .shape { c in
        let variable = try StateShapes.variable(c)
        guard variable.rank != nil, let depth = c.input(1)[-1] else { return }
        c.setOutput(0, c.input(1).dropLast().concatenating(variable.dropFirst(depth)))
    }
    .gradient { g in
        let shape = g.op("VariableShape", g.inputs[0], attributes: ["out_type": .type(g.inputs[1].dtype)])
        return [g.op("ScatterNd", g.inputs[1], g.gradient(), shape), nil]
    }
    .kernel(
        ["Tindices": .index], gpu: ["dtype": StateTypes.gpuUpdate, "Tindices": .index], hostMemory: ["resource"]
    ) { request in gatherKernel(try request.type("dtype"), slicesPlan(request.name)) }
    .cuda { request in try cudaGatherKernel(request, slicesPlan(request.name)) }
}

/// What a gather reads and writes.
private struct GatherPlan {
    typealias Make = @Sendable (_ variable: Tensor, _ indices: Tensor) throws -> GatherPlan
    /// The shape of the output.
    let shape: Shape
    /// The dimensions that an index vector selects from.
    let sizes: [Int]
    /// The number of elements of a row.
    let width: Int
    /// How many indices select from each batch of the variable; nil without batches.
    let perBatch: Int?
    /// Checks the indices. It is called after the output is allocated.
    let rows: () throws -> RowIndices
}

/// The plan for rows along dimension `batch`.
private func rowsPlan(_ batch: Int) -> GatherPlan.Make {
    { variable, indices in
        guard variable.rank > 0 else { throw Status.invalidArgument("params must be at least 1 dimensional") }
        let (size, positions) = (variable.shape.dimensions, indices.shape.dimensions)
        guard batch >= 0, batch < size.count, batch <= positions.count,
            size.prefix(batch) == positions.prefix(batch)
        else {
            throw Status.invalidArgument(
                "params.shape \(variable.shape) and indices.shape \(indices.shape) must agree in their first "
                    + "batch_dims = \(batch) dimensions")
        }
        return GatherPlan(
            shape: try Shape(validating: Array(positions + size.dropFirst(batch + 1))), sizes: [size[batch]],
            width: variable.shape.width(after: batch + 1), perBatch: batch == 0 ? nil : max(1, indices.shape.width(after: batch))
        ) { try RowIndices(indices, in: variable.shape, batch: batch) }
    }
}

/// The plan for slices that are selected by index vectors.
/// - Parameter node: names the node in error messages.
private func slicesPlan(_ node: String) -> GatherPlan.Make {
    { variable, indices in
        guard variable.rank > 0 else { throw Status.invalidArgument("params must be at least a vector") }
        guard indices.rank > 0 else { throw Status.invalidArgument("indices must be at least a vector") }
        let depth = indices.dimension(indices.rank - 1)
        guard depth <= variable.rank else {
            throw Status.invalidArgument(
                "index innermost dimension length must be <= params rank; saw: \(depth) vs. \(variable.rank)")
        }
        let (size, positions) = (variable.shape.dimensions, indices.shape.dimensions)
        return GatherPlan(
            shape: try Shape(validating: Array(positions.dropLast() + size.dropFirst(depth))), sizes: Array(size.prefix(depth)),
            width: variable.shape.width(after: depth), perBatch: nil
        ) {
            try RowIndices(slices: indices, depth: depth, in: variable.shape) { place, index in
                let index = index.map(String.init).joined(separator: ",")
                return .invalidArgument(
                    "indices\(place) = [\(index)] does not index into param shape \(variable.shape), node name: \(node)")
            }
        }
    }
}

private func gatherKernel(_ dtype: DType, _ plan: @escaping GatherPlan.Make) -> Kernel {
    variableKernel(dtype) { value, indices, context in
        let plan = try plan(value, indices)
        let output = try Tensor(dtype, plan.shape, in: dtype.isBitwise ? context.allocator : HostAllocator.shared)
        // Indices are checked even if no element is copied.
        if output.elementCount > 0 || indices.elementCount > 0 { try plan.rows().gather(from: value, to: output, in: context.pool) }
        return output
    }
}

private func cudaGatherKernel(_ request: KernelRequest, _ plan: @escaping GatherPlan.Make) throws -> Kernel {
    let dtype = try request.type("dtype")
    let program = try CUDAGather(request, index: "Tindices")
    return variableKernel(dtype) { value, indices, context in
        let plan = try plan(value, indices)
        let output = try Tensor(dtype, plan.shape, in: context.allocator)
        try program.run(value, indices, output, sizes: plan.sizes, width: plan.width, perBatch: plan.perBatch)
        return output
    }
}

private func variableKernel(
    _ dtype: DType, _ gather: @escaping @Sendable (_ value: Tensor, _ indices: Tensor, borrowing KernelContext) throws -> Tensor
) -> Kernel {
    let lookup = HandleLookup<ResourceVariable>()
    return .sync { context in
        let (handle, indices) = (context.input(0), context.input(1))
        let variable = try lookup.find(handle, context)
        try variable.require(dtype)
        // Locks a large variable during the gather instead of sharing its value: a shared value would make the next update
        // copy all of it.
        let output = try variable.cell.update { value throws -> (Tensor?, Tensor?) in
            guard let value else {
                throw Status.failedPrecondition("Attempting to use uninitialized value \(variable.cell.name)")
            }
            guard value.byteCount > 1 << 20 else { return (nil, value) }
            return (try gather(value, indices, context), nil)
        }
        if let output = output.0 {
            context.setOutput(0, output)
        } else if let value = output.1 {
            context.setOutput(0, try gather(value, indices, context))
        }
    }
}

extension RowIndices {
    /// Copies the rows of `source`, one after another, to `target`.
    func gather(from source: Tensor, to target: Tensor, in pool: ComputePool) {
        guard width > 0 else { return }
        switch source.dtype {
        case .string: gatherObjects(ByteString.self, source, target)
        case .resource: gatherObjects(ResourceHandle.self, source, target)
        case .variant: gatherObjects(Variant.self, source, target)
        default:
            switch width * source.dtype.byteCount {
            case 1: gatherElements(UInt8.self, source, target, pool)
            case 2: gatherElements(UInt16.self, source, target, pool)
            case 4: gatherElements(UInt32.self, source, target, pool)
            case 8: gatherElements(UInt64.self, source, target, pool)
            case let bytes: gatherBytes(bytes, source, target, pool)
            }
        }
    }

    private func gatherObjects<E>(_ type: E.Type, _ source: Tensor, _ target: Tensor) {
        let (from, to) = (source.elements(E.self), target.mutableElements(E.self))
        for (position, row) in rows.enumerated() {
            for index in 0..<width { to[position * width + index] = from[row * width + index] }
        }
    }

    /// Copies rows of 1, 2, 4 or 8 bytes.
    private func gatherElements<E: BitwiseCopyable>(
        _ type: E.Type, _ source: Tensor, _ target: Tensor, _ pool: ComputePool
    ) {
        guard let from = source.bytes.baseAddress, let to = target.mutableBytes.baseAddress else { return }
        let (size, out) = (MemoryLayout<E>.size, to.assumingMemoryBound(to: E.self))
        rows.withUnsafeBufferPointer { rows in
            pool.parallelFor(rows.count, grain: 64 << 10) { range in
                for position in range {
                    out[position] = from.loadUnaligned(fromByteOffset: rows[position] &* size, as: E.self)
                }
            }
        }
    }

    private func gatherBytes(_ bytes: Int, _ source: Tensor, _ target: Tensor, _ pool: ComputePool) {
        guard let from = source.bytes.baseAddress, let to = target.mutableBytes.baseAddress else { return }
        rows.withUnsafeBufferPointer { rows in
            pool.parallelFor(rows.count, grain: max(1, (256 << 10) / bytes)) { range in
                for position in range {
                    (to + position * bytes).copyMemory(from: from + rows[position] * bytes, byteCount: bytes)
                }
            }
        }
    }
}

/// Returns the gradient of the variable: a dense tensor with zeros in rows that were not read.
private func gatherGradient(_ g: GradientContext) throws -> Output {
    guard g.attributes.int("batch_dims") ?? 0 == 0 else {
        throw Status.unimplemented("The gradient of ResourceGather with batch_dims is not supported")
    }
    let indices = g.op("Reshape", g.inputs[1], g.constant([-1]))
    if let shape = g.builder.handleShape(g.inputs[0].endpoint)?.shape.known, shape.rank > 0 {
        let rowShape = [-1] + shape.dimensions.dropFirst().map { Int64($0) }
        let rows = g.op("Reshape", g.gradient(), g.constant(Tensor(rowShape)))
        let count = Int32(exactly: shape[0]).map { Tensor($0) } ?? Tensor(Int64(shape[0]))
        return g.op("UnsortedSegmentSum", rows, indices, g.constant(count))
    }
    let shape = g.op("VariableShape", g.inputs[0])
    let tail = g.op(
        "StridedSlice", shape, g.constant([1]), g.constant([0]), g.constant([1]), attributes: ["end_mask": 1])
    let rows = g.op("Reshape", g.gradient(), g.op("ConcatV2", g.constant([-1]), tail, g.constant(Tensor(Int32(0)))))
    let count = g.op(
        "StridedSlice", shape, g.constant([0]), g.constant([1]), g.constant([1]), attributes: ["shrink_axis_mask": 1])
    return g.op("UnsortedSegmentSum", rows, indices, count)
}

extension Output {
    /// Returns the rows at `indices` of the variable of this handle (`ResourceGather`).
    /// - Parameter dtype: the dtype of the variable, if the handle does not carry it.
    public func gatherVariable(_ indices: Output, _ dtype: DType? = nil) -> Output {
        let dtype = dtype ?? builder.handleShape(endpoint)?.dtype ?? .float32
        return builder.add("ResourceGather", [self, indices], attributes: ["dtype": .type(dtype)])[0]
    }
}
