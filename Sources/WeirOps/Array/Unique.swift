public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that output each distinct element or slice once, in the order in which they first appear.

extension OpDefinition {
    static let unique = uniqueVector("Unique", "(x: T) -> (y: T, idx: out_idx)")
    static let uniqueWithCounts = uniqueVector("UniqueWithCounts", "(x: T) -> (y: T, idx: out_idx, count: out_idx)")
    static let uniqueV2 = uniqueAlongAxis("UniqueV2", "(x: T, axis: Taxis) -> (y: T, idx: out_idx)")
    static let uniqueWithCountsV2 = uniqueAlongAxis(
        "UniqueWithCountsV2", "(x: T, axis: Taxis) -> (y: T, idx: out_idx, count: out_idx)")

    private static let uniqueTypes: DTypeSet = [.real, DTypeSet(.bool, .string)]

    private static func uniqueVector(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "T: type", "out_idx: {int32, int64} = int32")
            .shape { c in
                try c.requireRank(0, 1)
                c.setOutput(0, .vector(nil))
                c.setOutput(1, c.input(0).rank == nil ? .vector(nil) : c.input(0))
                c.setOutput(2, .vector(nil))
            }
            .noGradient()
            .kernel(["T": uniqueTypes], gpu: ["T": [.real, DTypeSet(.bool)]]) { request in
                try uniqueKernel(request) { context in
                    guard context.shape(0).rank == 1 else {
                        throw Status.invalidArgument("unique expects a 1D vector.")
                    }
                    return 0
                }
            }
            .cuda(uniqueCUDAKernel)
    }

    private static func uniqueAlongAxis(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "T: type", "Taxis: {int32, int64} = int64", "out_idx: {int32, int64} = int32")
            .shape(uniqueAxisShape)
            .noGradient()
            .kernel(["T": uniqueTypes]) { request in try uniqueKernel(request, uniqueAxis) }
    }
}

@Sendable private func uniqueAxisShape(_ c: inout ShapeContext) throws {
    let input = c.input(0)
    c.setOutput(1, .vector(nil))
    c.setOutput(2, .vector(nil))
    guard let axes = c.integers(1) else {
        if let rank = input.rank { c.setOutput(0, .ofRank(rank)) }
        return
    }
    guard axes.count <= 1 else {
        guard input.rank != nil else { return }
        throw Status.invalidArgument("axis does not support input tensors larger than 1 elements.")
    }
    guard let axis = axes.first else {
        if let rank = input.rank, rank != 1 { throw Status.invalidArgument("x expects a 1D vector.") }
        c.setOutput(0, .vector(nil))
        c.setOutput(1, .vector(input[0]))
        return
    }
    guard let rank = input.rank else { return }
    guard let front = nonNegativeAxis(axis, rank: rank) else {
        throw Status.invalidArgument("axis expects to be in the range [\(-rank), \(rank))")
    }
    c.setOutput(0, input.replacing(front, with: nil))
    c.setOutput(1, .vector(input[front]))
}

@Sendable private func uniqueAxis(_ context: borrowing KernelContext) throws -> Int {
    let (input, axes) = (context.input(0), context.input(1))
    guard axes.rank == 1 else { throw Status.invalidArgument("axis expects a 1D vector.") }
    guard axes.elementCount <= 1 else {
        throw Status.invalidArgument("axis does not support input tensors larger than 1 elements")
    }
    guard let axis = try axes.integers("axis").first else {
        guard input.rank == 1 else { throw Status.invalidArgument("unique expects a 1D vector.") }
        return 0
    }
    guard let front = nonNegativeAxis(axis, rank: input.rank) else {
        throw Status.invalidArgument("axis has to be between [0, \(input.rank))")
    }
    return front
}

private func uniqueKernel(
    _ request: KernelRequest, _ axis: @escaping @Sendable (borrowing KernelContext) throws -> Int
) throws -> Kernel {
    let indexType = try request.type("out_idx")
    return .sync { context in
        let input = context.input(0)
        guard input.elementCount <= Int(Int32.max) else {
            throw Status.invalidArgument("unique does not support input tensors larger than \(Int32.max) elements")
        }
        let axis = try axis(context)
        let sizes = input.shape.dimensions
        if input.elementCount == 0, sizes[axis] > 0 { return try uniqueOfEmptySlices(context, axis, indexType) }
        let slices = try numberSlices(input, axis)
        try setIntegers(context, 1, indexType, slices.numbers)
        if context.outputCount > 2 {
            var counts = [Int32](repeating: 0, count: slices.firsts.count)
            for number in slices.numbers { counts[Int(number)] += 1 }
            try setIntegers(context, 2, indexType, counts)
        }
        let shape = try Shape(validating: Array(sizes[..<axis] + [slices.firsts.count] + sizes[(axis + 1)...]))
        let output = try context.output(0, input.dtype, shape)
        guard shape.elementCount > 0 else { return }
        let outer = wrappingProduct(sizes[..<axis]), inner = wrappingProduct(sizes[(axis + 1)...])
        let (count, kept) = (sizes[axis], slices.firsts.count)
        let moves = RowCopy(dtype: input.dtype, width: inner)
        moves.run(slabs: outer, count: kept, from: input, to: output, in: context.pool) { slab, index in
            (slab * count + Int(slices.firsts[index]), slab * kept + index)
        }
    }
}

/// Computes the outputs for slices without elements. All of them equal the first, and there may be very many. So only the outputs
/// are allocated, and no list of slices.
private func uniqueOfEmptySlices(_ context: borrowing KernelContext, _ axis: Int, _ indexType: DType) throws {
    let input = context.input(0)
    let count = input.dimension(axis)
    guard count <= Int(Int32.max) else {
        throw Status.invalidArgument("unique does not support input tensors larger than \(Int32.max) elements")
    }
    context.setOutput(1, try Tensor.zeros(indexType, Shape(count)))
    if context.outputCount > 2 { try setIntegers(context, 2, indexType, [Int32(count)]) }
    _ = try context.output(0, input.dtype, Shape(validating: input.shape.replacing(axis, with: 1).dimensions))
}

/// Returns the number of each slice along an axis, and for each number the first slice that has it.
private func numberSlices(_ input: Tensor, _ axis: Int) throws -> (numbers: [Int32], firsts: [Int32]) {
    let sizes = input.shape.dimensions
    // The caller has checked that there are at most Int32.max elements, and that slices are not without elements.
    let count = sizes[axis]
    var elementKeys = ElementKeys()
    guard let keys = try elementKeys.keys(of: input) else { throw Status.unimplemented("unique of \(input.dtype)") }
    let inner = wrappingProduct(sizes[(axis + 1)...])
    let width = keys.isEmpty ? 0 : keys.count / count
    var numbers = [Int32](repeating: 0, count: count)
    var firsts: [Int32] = count > 0 ? [0] : []
    // A slice's number so far and its next element are a pair. Each distinct pair gets a new number.
    for place in 0..<width {
        let (slab, column) = place.quotientAndRemainder(dividingBy: inner)
        let elements = KeyTable()
        let pairs = KeyTable()
        firsts = []
        for slice in 0..<count {
            var (number, isNew) = elements.number(keys[(slab &* count &+ slice) &* inner &+ column])
            if place > 0 {
                (number, isNew) = pairs.number(UInt64(numbers[slice]) << 32 | UInt64(number))
            }
            numbers[slice] = number
            if isNew { firsts.append(Int32(slice)) }
        }
    }
    return (numbers, firsts)
}

private func setIntegers(_ context: borrowing KernelContext, _ index: Int, _ dtype: DType, _ values: [Int32]) throws {
    let output = try context.output(index, dtype, Shape(values.count))
    if dtype == .int32 {
        _ = output.mutableElements(Int32.self).update(fromContentsOf: values)
    } else {
        let wide = output.mutableElements(Int64.self)
        for (position, value) in values.enumerated() { wide[position] = Int64(value) }
    }
}

extension Output {
    /// Returns each distinct element of a vector once, and for each element the position of its value among them (`Unique`).
    public func unique() -> (values: Output, indices: Output) {
        let outputs = builder.add("Unique", [self])
        return (outputs[0], outputs[1])
    }
}
