public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Repeats a tensor along each dimension, as often as `multiples` says.
    static let tile = OpDefinition(
        "Tile", "(input: T, multiples: Tmultiples) -> (output: T)", "T: type", "Tmultiples: {int32, int64} = int32"
    )
    .shape(tileShape)
    .sharding { c in
        guard let multiples = c.integers(1), multiples.count == c.input(0).rank else { return nil }
        return ShardingRule.independent(c, except: Set(multiples.indices.filter { multiples[$0] != 1 }))?.linear()
    }
    .simplified(.unchangedFor(input: 1) { multiples in multiples.areAll(1) })
    .gradient(tileGradient)
    .kernel(
        ["T": .all], gpu: ["T": [.floatingOrComplex, .index, DTypeSet(.bool, .int16)]], hostMemory: ["multiples"],
        moving: { _ in tileKernel }
    )
}

@Sendable private func tileShape(_ c: inout ShapeContext) throws {
    let input = c.input(0)
    let multiples = try c.shapeArgument(1)
    let rank = input.rank ?? multiples.rank
    guard let rank else { return }
    if let count = c.input(1)[0], count != rank {
        throw Status.invalidArgument("Shape must be rank \(count) but is rank \(rank)")
    }
    c.setOutput(
        0,
        PartialShape(
            (0..<rank).map { axis in
                guard let size = input[axis], let multiple = multiples[axis] else { return nil }
                let (product, overflow) = size.multipliedReportingOverflow(by: multiple)
                return overflow ? nil : product
            }))
}

private let tileKernel: MovingBody = { context, mover in
    let (input, multiples) = (context.input(0), context.input(1))
    guard multiples.rank == 1 else {
        throw Status.invalidArgument("Expected multiples to be 1-D, but got shape \(multiples.shape)")
    }
    guard multiples.elementCount == input.rank else {
        throw Status.invalidArgument(
            "Expected multiples argument to be a vector of length \(input.rank) but got length "
                + "\(multiples.elementCount)")
    }
    let own = input.shape.dimensions
    let ownStrides = StridedCopy.strides(of: own)
    var (sizes, strides, total): ([Int], [Int], [Int]) = ([], [], [])
    for (axis, multiple) in try multiples.integers("multiples").enumerated() {
        guard multiple >= 0 else {
            throw Status.invalidArgument("Expected multiples[\(axis)] >= 0, but got \(multiple)")
        }
        let (product, overflow) = own[axis].multipliedReportingOverflow(by: multiple)
        guard !overflow else {
            throw Status.invalidArgument(
                "Dimension \(axis) of the tiled tensor, \(own[axis]) * \(multiple), is too large")
        }
        total.append(product)
        sizes += [multiple, own[axis]]
        strides += [0, ownStrides[axis]]
    }
    try mover.setOutput(0, Shape(validating: total), StridedCopy(sizes, from: strides), of: input, at: 0, context)
}

/// Sums the gradient over the repetitions.
@Sendable private func tileGradient(_ g: GradientContext) -> [Output?] {
    let dtype = g.inputs[1].dtype
    let shape = g.shape(g.inputs[0], dtype)
    let interleaved = g.ops("Pack", [g.inputs[1], shape], attributes: ["axis": 1])[0]
    let split = g.op("Reshape", interleaved, g.constant([-1]))
    let axes: Output
    if let rank = g.inputs[0].shape.rank {
        axes = g.constant((0..<rank).map { 2 * $0 })
    } else {
        axes = g.op("Range", g.integer(0), g.op("Size", split), g.integer(2))
    }
    let sum = g.op("Sum", g.op("Reshape", g.gradient(), split), axes)
    g.builder.refineShape(of: sum, g.inputs[0].shape)
    return [sum, nil]
}

extension Output {
    /// Repeats this tensor along each dimension, as often as `multiples` says (`Tile`).
    public func tiled(_ multiples: [Int]) -> Output {
        builder.add("Tile", [self, builder.constant(Tensor(multiples.map { Int64($0) }))])[0]
    }
}
