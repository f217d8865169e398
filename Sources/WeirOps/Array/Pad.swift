public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Pads a tensor with zeros.
    static let pad = OpDefinition(
        "Pad", "(input: T, paddings: Tpaddings) -> (output: T)", "T: type", "Tpaddings: {int32, int64} = int32"
    )
    .shape(paddedShape)
    .sharding(padSharding)
    .simplified(.unchangedFor(input: 1) { paddings in paddings.areAll(0) })
    .gradient(padGradient)
    .kernel(["T": padTypes], gpu: ["T": padGPUTypes], hostMemory: ["paddings"], moving: { _ in padKernel })
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "paddings", "output"], moving: { _ in padKernel })

    /// Pads a tensor with a scalar.
    static let padV2 = OpDefinition(
        "PadV2", "(input: T, paddings: Tpaddings, constant_values: T) -> (output: T)", "T: type",
        "Tpaddings: {int32, int64} = int32"
    )
    .shape(paddedShape)
    .sharding(padSharding)
    .gradient(padGradient)
    .kernel(["T": padTypes], gpu: ["T": padGPUTypes], hostMemory: ["paddings", "constant_values"], moving: { _ in padKernel })
    .kernel(
        ["T": .int32], gpu: ["T": .int32], hostMemory: ["input", "paddings", "constant_values", "output"],
        moving: { _ in padKernel }
    )

    private static let padTypes = DTypeSet.all.subtracting(DTypeSet(.resource, .variant))
    private static let padGPUTypes: DTypeSet = [.floatingOrComplex, DTypeSet(.bool, .int8, .uint8)]
}

/// Dimensions without padding can be cut.
@Sendable private func padSharding(_ c: ShardingContext) -> ShardingRule? {
    guard let paddings = c.integers(1), let rank = c.input(0).rank, paddings.count == 2 * rank else { return nil }
    return ShardingRule.independent(c, except: Set((0..<rank).filter { paddings[2 * $0] != 0 || paddings[2 * $0 + 1] != 0 }))
}

/// Infers the shape with the paddings of input 1 on both sides of each dimension.
@Sendable func paddedShape(_ c: inout ShapeContext) throws {
    try c.requireRank(1, 2)
    if let columns = c.input(1)[1], columns != 2 {
        throw Status.invalidArgument("Dimension must be 2 but is \(columns)")
    }
    let input = c.input(0)
    guard let rank = try c.rank(0, countedBy: 1) else { return }
    if let rows = c.input(1)[0], rows != rank {
        throw Status.invalidArgument("Shape must be rank \(rows) but is rank \(rank)")
    }
    guard let paddings = c.integers(1), paddings.count == 2 * rank else { return c.setOutput(0, .ofRank(rank)) }
    if paddings.contains(where: { $0 < 0 }) { throw Status.invalidArgument("Paddings must be non-negative") }
    c.setOutput(
        0,
        PartialShape(
            (0..<rank).map { axis in
                input[axis].flatMap { size in
                    let (padding, tooLarge) = paddings[2 * axis].addingReportingOverflow(paddings[2 * axis + 1])
                    let (sum, overflow) = size.addingReportingOverflow(padding)
                    return tooLarge || overflow ? nil : sum
                }
            }))
}

/// The kind of op that the paddings belong to. TensorFlow's messages differ between them.
enum PaddingKind {
    case pad, mirror, mirrorGrad
}

extension Tensor {
    /// Reads the elements as paddings of a tensor of this shape: before and after each dimension.
    /// - Throws: `invalidArgument` if they do not fit the shape, or one is negative.
    func paddings(of shape: Shape, _ kind: PaddingKind = .pad) throws -> [(before: Int, after: Int)] {
        guard rank == 2, dimension(1) == 2 else {
            throw Status.invalidArgument("paddings must be a matrix with 2 columns: \(self.shape)")
        }
        guard dimension(0) == shape.rank else {
            throw Status.invalidArgument(
                "The first dimension of paddings must be the rank of inputs\(self.shape)"
                    + "\(kind == .mirror ? "," : "") \(shape)"
            )
        }
        let numbers = try integers("paddings")
        return try (0..<shape.rank).map { axis in
            let (before, after) = (numbers[2 * axis], numbers[2 * axis + 1])
            guard before >= 0, after >= 0 else {
                throw Status.invalidArgument(
                    "\(kind == .mirror ? "paddings" : "Paddings") must be non-negative: "
                        + "\(before)\(kind == .mirrorGrad ? "," : "") \(after)")
            }
            return (before, after)
        }
    }
}

/// Returns the dimensions of a padded tensor.
/// - Throws: `invalidArgument` if one overflows.
func paddedSizes(_ shape: Shape, _ paddings: [(before: Int, after: Int)]) throws -> [Int] {
    try paddings.enumerated().map { axis, padding in
        let (sum, overflow) = shape[axis].addingReportingOverflow(padding.before)
        let (total, tooLarge) = sum.addingReportingOverflow(padding.after)
        guard !overflow, !tooLarge else {
            throw Status.invalidArgument("Paddings \(padding) of dimension \(axis) are too large")
        }
        return total
    }
}

private let padKernel: MovingBody = { context, mover in
    let input = context.input(0)
    let paddings = try context.input(1).paddings(of: input.shape)
    let value = context.inputCount > 2 ? context.input(2) : try Tensor.zeros(input.dtype, .scalar)
    guard value.rank == 0 else {
        throw Status.invalidArgument("constant_values must be a scalar. Found: \(value.shape)")
    }
    let sizes = try paddedSizes(input.shape, paddings)
    let shape = try Shape(validating: sizes)
    if shape == input.shape { return context.setOutput(0, slot: context.slot(0)) }
    let output = try context.output(0, input.dtype, shape)
    guard shape.elementCount > 0 else { return }
    guard case .host(let pool) = mover else {
        guard case .card(let card) = mover else { return }
        return try card.copy(input, before: paddings.map(\.before), margin: .value(value), to: output)
    }
    let strides = StridedCopy.strides(of: sizes)
    let own = input.shape.dimensions
    let start = zip(paddings, strides).reduce(0) { $0 + $1.0.before * $1.1 }
    StridedCopy(own, to: strides).run(from: input, to: output, at: start, in: pool)
    // Fills the margins of one dimension after another. A margin is as long as the output along later dimensions, and as long as
    // the input along earlier ones.
    let repeated = [Int](repeating: 0, count: sizes.count)
    var offset = 0
    for axis in sizes.indices {
        let (before, after) = paddings[axis]
        for (place, size) in [(0, before), (before + own[axis], after)] where size > 0 {
            StridedCopy(own[..<axis] + [size] + sizes[(axis + 1)...], from: repeated, to: strides)
                .run(from: value, to: output, at: offset + place * strides[axis], in: pool)
        }
        offset += before * strides[axis]
    }
}

/// Extracts the input's part of the gradient, without the margins.
@Sendable private func padGradient(_ g: GradientContext) -> [Output?] {
    let (input, paddings) = (g.inputs[0], g.inputs[1])
    let dtype = paddings.dtype
    let before = g.builder.add(
        "StridedSlice",
        [
            paddings, g.cast(g.constant([0, 0]), to: dtype), g.cast(g.constant([0, 1]), to: dtype),
            g.cast(g.constant([1, 1]), to: dtype),
        ],
        attributes: ["begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 2])[0]
    let result = g.op("Slice", g.gradient(), before, g.shape(input, dtype))
    return [result] + [Output?](repeating: nil, count: g.inputs.count - 1)
}

extension Output {
    /// Pads this tensor with zeros. `paddings` are the numbers of elements before and after each dimension (`Pad`).
    public func padded(_ paddings: [(before: Int, after: Int)]) -> Output {
        builder.add("Pad", [self, builder.paddings(paddings)])[0]
    }
    /// Pads this tensor with the scalar `value`. `paddings` are the numbers of elements before and after each dimension
    /// (`PadV2`).
    public func padded(_ paddings: [(before: Int, after: Int)], with value: Output) -> Output {
        builder.add("PadV2", [self, builder.paddings(paddings), value])[0]
    }
}
extension GraphBuilder {
    func paddings(_ paddings: [(before: Int, after: Int)]) -> Output {
        constant(Tensor(paddings.flatMap { [Int64($0.before), Int64($0.after)] }, ofShape: Shape(paddings.count, 2)))
    }
}
