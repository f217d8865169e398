public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Extracts a block of a tensor, given where it begins and its size along each dimension. A size of -1 takes all remaining
    /// elements.
    static let slice = OpDefinition(
        "Slice", "(input: T, begin: Index, size: Index) -> (output: T)", "T: type", "Index: {int32, int64}"
    )
    .shape(sliceShape)
    .sharding { c in
        guard let input = c.input(0).dimensions, let begins = c.integers(1), let sizes = c.integers(2), begins.count == input.count, sizes.count == input.count
        else { return nil }
        let labels = input.indices.map { begins[$0] == 0 && (sizes[$0] == -1 || sizes[$0] == input[$0]) ? DimensionLabel($0) : .whole }
        return ShardingRule(inputs: [labels, [], []], outputs: [labels]).linear()
            .computed { local in
                // All elements of a dimension that is cut, however many there are here.
                let sizes = labels.indices.map { labels[$0] == .whole ? sizes[$0] : -1 }
                return local.outputs([local.inputs[0], local.inputs[1], local.constant(sizes, local.inputs[2].dtype)])
            }
    }
    .gradient(sliceGradient)
    .kernel(
        ["T": DTypeSet.all.subtracting(DTypeSet(.resource, .variant))],
        gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int64, .int8)]], hostMemory: ["begin", "size"],
        moving: { _ in sliceKernel }
    )
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "begin", "size", "output"], moving: { _ in sliceKernel })
}

@Sendable private func sliceShape(_ c: inout ShapeContext) throws {
    try c.requireRank(1, 1)
    try c.requireRank(2, 1)
    if let a = c.input(1)[0], let b = c.input(2)[0], a != b {
        throw Status.invalidArgument("Dimensions must be equal, but are \(a) and \(b)")
    }
    let input = c.input(0)
    guard let rank = try c.rank(0, countedBy: c.input(1)[0] == nil ? 2 : 1) else { return }
    if let count = c.input(1)[0] ?? c.input(2)[0], count != rank {
        throw Status.invalidArgument("Shape must be rank \(count) but is rank \(rank)")
    }
    guard let sizes = c.integers(2), sizes.count == rank else { return c.setOutput(0, .ofRank(rank)) }
    let begins = c.integers(1)
    var result: [Int?] = []
    for (index, size) in sizes.enumerated() {
        let whole = input[index]
        let begin = begins.flatMap { $0.indices.contains(index) ? $0[index] : nil }
        if size == -1 {
            result.append(begin.flatMap { begin in whole.map { $0 &- begin } })
            if let left = result[index], left < 0 {
                throw Status.invalidArgument(
                    "Negative dimension size caused by subtracting \(begin ?? 0) from \(whole ?? 0)")
            }
        } else {
            guard size >= 0 else { throw Status.invalidArgument("Invalid value in tensor used for shape: \(size)") }
            result.append(size)
        }
    }
    c.setOutput(0, PartialShape(result))
}

private let sliceKernel: MovingBody = { context, mover in
    let input = context.input(0)
    let (begin, size) = (context.input(1), context.input(2))
    guard begin.rank <= 1, size.rank <= 1, begin.elementCount == input.rank, size.elementCount == input.rank else {
        throw Status.invalidArgument(
            "Expected begin and size arguments to be 1-D tensors of size \(input.rank), but got shapes "
                + "\(begin.shape) and \(size.shape) instead.")
    }
    let begins = try begin.integers("begin")
    var sizes = try size.integers("size")
    let strides = StridedCopy.strides(of: input.shape.dimensions)
    var offset = 0
    for axis in 0..<input.rank {
        let whole = input.dimension(axis)
        let start = begins[axis]
        if sizes[axis] == -1 { sizes[axis] = whole &- start }
        if whole == 0 {
            guard start == 0, sizes[axis] == 0 else {
                throw Status.invalidArgument(
                    "Expected begin[\(axis)] == 0 (got \(start)) and size[\(axis)] == 0 (got \(sizes[axis])) when "
                        + "input.dim_size(\(axis)) == 0")
            }
        } else {
            guard start >= 0, start <= whole else {
                throw Status.invalidArgument("Expected begin[\(axis)] in [0, \(whole)], but got \(start)")
            }
            guard sizes[axis] >= 0, sizes[axis] <= whole - start else {
                throw Status.invalidArgument(
                    "Expected size[\(axis)] in [0, \(whole - start)], but got \(sizes[axis])")
            }
        }
        offset = offset &+ start &* strides[axis]
    }
    try mover.setOutput(0, Shape(validating: sizes), StridedCopy(sizes, from: strides), of: input, at: offset, context)
}

/// Pads the gradient with zeros, where the slice takes no elements.
@Sendable private func sliceGradient(_ g: GradientContext) -> [Output?] {
    let (input, begin) = (g.inputs[0], g.inputs[1])
    let dtype = begin.dtype
    let inputShape = g.shape(input, dtype)
    let after = g.op("Sub", g.op("Sub", inputShape, g.shape(g.outputs[0], dtype)), begin)
    let paddings = g.ops("Pack", [begin, after], attributes: ["axis": 1])[0]
    return [g.op("Pad", g.gradient(), paddings), nil, nil]
}

extension Output {
    /// Extracts a block, given where it begins and its size along each dimension (`Slice`). A size of -1 takes all remaining
    /// elements.
    public func sliced(at begin: [Int], size: [Int]) -> Output {
        builder.add(
            "Slice",
            [self, builder.constant(Tensor(begin.map { Int64($0) })), builder.constant(Tensor(size.map { Int64($0) }))]
        )[0]
    }
}
