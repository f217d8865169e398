public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Extracts a part of a tensor by NumPy's basic indexing.
    static let stridedSlice = OpDefinition(
        "StridedSlice", "(input: T, begin: Index, end: Index, strides: Index) -> (output: T)", "T: type",
        "Index: {int16, int32, int64}", "begin_mask: int = 0", "end_mask: int = 0", "ellipsis_mask: int = 0",
        "new_axis_mask: int = 0", "shrink_axis_mask: int = 0"
    )
    .shape(stridedSliceShape)
    .sharding(stridedSliceSharding)
    .knownValue { c in c.sliced() }
    .gradient(stridedSliceGradient)
    .kernel(
        ["T": .all], gpu: ["T": .gpuMovable], hostMemory: ["begin", "end", "strides"], moving: stridedSliceKernel
    )
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "begin", "end", "strides", "output"],
        moving: stridedSliceKernel)
}

@Sendable private func stridedSliceShape(_ c: inout ShapeContext) throws {
    for index in 1...3 { try c.requireRank(index, 1) }
    let counts = (1...3).compactMap { c.input($0)[0] }
    if let first = counts.first, let other = counts.first(where: { $0 != first }) {
        throw Status.invalidArgument("Dimensions must be equal, but are \(first) and \(other)")
    }
    guard let dimensions = c.input(0).dimensions, let strides = c.integers(3) else { return }
    guard strides.count < 32 else { throw Status.invalidArgument("Slicing more than 32 dims unsupported") }
    let spec = try StridedSliceSpec(
        begin: c.integers(1), end: c.integers(2), strides: strides, input: dimensions,
        masks: StridedSliceSpec.Masks(c.attributes))
    c.setOutput(0, PartialShape(spec.final))
    c.passHandle()
}

/// A dimension that is taken whole, in order, can be cut.
@Sendable private func stridedSliceSharding(_ c: ShardingContext) -> ShardingRule? {
    guard let rank = c.input(0).rank, let strides = c.integers(3), strides.count < 32 else { return nil }
    func mask(_ name: String, _ entry: Int) -> Bool { (c.attributes.int(name) ?? 0) >> entry & 1 == 1 }
    let named = strides.indices.filter { !mask("new_axis_mask", $0) && !mask("ellipsis_mask", $0) }.count
    var labels = [DimensionLabel](repeating: .whole, count: rank), output: [DimensionLabel] = []
    var axis = 0
    func takeWhole(_ count: Int) {
        for _ in 0..<max(0, count) where axis < rank {
            labels[axis] = DimensionLabel(axis)
            output.append(labels[axis])
            axis += 1
        }
    }
    for entry in strides.indices {
        if mask("ellipsis_mask", entry) {
            takeWhole(rank - named)
        } else if mask("new_axis_mask", entry) {
            output.append(.whole)
        } else if mask("shrink_axis_mask", entry) {
            axis += 1
        } else if mask("begin_mask", entry), mask("end_mask", entry), strides[entry] == 1 {
            takeWhole(1)
        } else {
            output.append(.whole)
            axis += 1
        }
    }
    takeWhole(rank - axis)
    guard output.count == c.output().rank else { return nil }
    return ShardingRule(inputs: [labels, [], [], []], outputs: [output]).linear()
}

@Sendable private func stridedSliceKernel(_ request: KernelRequest) -> MovingBody {
    let masks = StridedSliceSpec.Masks(request.attributes)
    return { context, mover in
        let input = context.input(0)
        let spec = try StridedSliceSpec(
            begin: context.input(1), end: context.input(2), strides: context.input(3), input: input.shape, masks: masks)
        let (offset, strides) = spec.layout(in: input.shape)
        try mover.setOutput(0, spec.shape, StridedCopy(spec.sliceSizes, from: strides), of: input, at: offset, context)
    }
}

@Sendable private func stridedSliceGradient(_ g: GradientContext) -> [Output?] {
    let dtype: DType = g.inputs[1].dtype == .int64 ? .int64 : .int32
    let bounds = g.inputs[1...3].map { g.cast($0, to: dtype) }
    let attributes = Attributes(StridedSliceSpec.Masks(g.attributes).attributes)
    let gradient = g.ops(
        "StridedSliceGrad", [g.shape(g.inputs[0], dtype)] + bounds + [g.gradient()], attributes: attributes)[0]
    return [gradient, nil, nil, nil]
}

/// One index of a slice.
public enum SliceIndex: Sendable {
    /// One element. The dimension is removed.
    case at(Int)
    /// The elements from `from` up to but without `to`, with stride `by`. A bound that is nil means no bound. Negative bounds
    /// count from the end.
    case range(from: Int? = nil, to: Int? = nil, by: Int = 1)
    /// All elements of as many dimensions as the other indices leave (NumPy's ellipsis).
    case rest
    /// A new dimension of size 1 (NumPy's `newaxis`).
    case new

    /// All elements of a dimension.
    public static var all: SliceIndex { .range() }
}

extension Output {
    /// Extracts a part by NumPy's basic indexing: `x[.at(0), .range(from: 1), .rest]` (`StridedSlice`).
    public subscript(_ indices: SliceIndex...) -> Output { sliced(indices) }

    /// Extracts a part by NumPy's basic indexing (`StridedSlice`).
    public func sliced(_ indices: [SliceIndex]) -> Output {
        var begin: [Int64] = [], end: [Int64] = [], strides: [Int64] = []
        var masks = (begin: 0, end: 0, ellipsis: 0, newAxis: 0, shrinkAxis: 0)
        for (entry, index) in indices.enumerated() {
            let bit = entry < 32 ? 1 << entry : 0
            var (from, to, by) = (0, 0, 1)
            switch index {
            case .at(let position):
                (from, to) = (position, position &+ 1)
                masks.shrinkAxis |= bit
            case .range(let first, let last, let step):
                (from, to, by) = (first ?? 0, last ?? 0, step)
                if first == nil { masks.begin |= bit }
                if last == nil { masks.end |= bit }
            case .rest: masks.ellipsis |= bit
            case .new: masks.newAxis |= bit
            }
            begin.append(Int64(from))
            end.append(Int64(to))
            strides.append(Int64(by))
        }
        return builder.add(
            "StridedSlice",
            [self, builder.constant(Tensor(begin)), builder.constant(Tensor(end)), builder.constant(Tensor(strides))],
            attributes: [
                "begin_mask": .int(masks.begin), "end_mask": .int(masks.end), "ellipsis_mask": .int(masks.ellipsis),
                "new_axis_mask": .int(masks.newAxis), "shrink_axis_mask": .int(masks.shrinkAxis),
            ])[0]
    }
}
