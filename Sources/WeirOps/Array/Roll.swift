public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Shifts elements along some axes. Elements that leave at one end enter at the other.
    static let roll = OpDefinition(
        "Roll", "(input: T, shift: Tshift, axis: Taxis) -> (output: T)", "T: type", "Tshift: {int32, int64}",
        "Taxis: {int32, int64}"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 1)
        for index in 1...2 {
            if let rank = c.input(index).rank, rank > 1 {
                throw Status.invalidArgument("Shape must be at most rank 1 but is rank \(rank)")
            }
        }
        c.setOutput(0, c.input(0))
    }
    .gradient { g in [g.op("Roll", g.gradient(), g.op("Neg", g.inputs[1]), g.inputs[2]), nil, nil] }
    .kernel(
        ["T": .unquantized], gpu: ["T": [.floatingOrComplex, .index, DTypeSet(.uint32)]], hostMemory: ["shift", "axis"],
        moving: { _ in rollKernel }
    )
}

private let rollKernel: MovingBody = { context, mover in
    let (input, shifts, axes) = (context.input(0), context.input(1), context.input(2))
    guard input.rank > 0 else { throw Status.invalidArgument("input must be 1-D or higher") }
    guard shifts.rank <= 1 else {
        throw Status.invalidArgument("shift must be a scalar or a 1-D vector. Found: \(shifts.shape)")
    }
    guard axes.rank <= 1 else {
        throw Status.invalidArgument("axis must be a scalar or a 1-D vector. Found: \(axes.shape)")
    }
    guard shifts.shape == axes.shape else { throw Status.invalidArgument("shift and axis must have the same size") }
    let sizes = input.shape.dimensions
    var distance = [Int](repeating: 0, count: sizes.count)
    for (shift, axis) in zip(try shifts.integers("shift"), try axes.integers("axis")) {
        guard let front = nonNegativeAxis(axis, rank: sizes.count) else {
            throw Status.invalidArgument("axis \(axis) is out of range")
        }
        let size = max(1, sizes[front])
        let sum = (distance[front] + shift % size) % size
        distance[front] = sum < 0 ? sum + size : sum
    }
    let output = try context.output(0, input.dtype, input.shape)
    guard input.elementCount > 0 else { return }
    switch mover {
    case .card(let card): try card.copy(input, before: distance, margin: .wrap, to: output)
    case .host(let pool):
        let boxes = RollBlocks(sizes: sizes, distance: distance, strides: StridedCopy.strides(of: sizes))
        boxes.forEach(0, sizes, 0, 0) { block, from, to in
            block.run(from: input, skipping: from, to: output, at: to, in: pool)
        }
    }
}

/// The blocks that are copied as a whole. Each shifted dimension is cut in two, and each combination of the parts is a block.
private struct RollBlocks {
    let sizes: [Int]
    let distance: [Int]
    let strides: [Int]

    func forEach(_ first: Int, _ box: [Int], _ from: Int, _ to: Int, _ body: (StridedCopy, Int, Int) -> Void) {
        guard let axis = (first..<sizes.count).first(where: { distance[$0] != 0 }) else {
            return body(StridedCopy(box, from: strides, to: strides), from, to)
        }
        let (stride, shift) = (strides[axis], distance[axis])
        var part = box
        part[axis] = sizes[axis] - shift
        forEach(axis + 1, part, from, to + shift * stride, body)
        part[axis] = shift
        forEach(axis + 1, part, from + (sizes[axis] - shift) * stride, to, body)
    }
}

extension Output {
    /// Shifts elements along `axes`. Elements that leave at one end enter at the other (`Roll`).
    public func rolled(by shifts: [Int], axes: [Int]) -> Output {
        builder.add(
            "Roll",
            [
                self, builder.constant(Tensor(shifts.map { Int64($0) })),
                builder.constant(Tensor(axes.map { Int64($0) })),
            ]
        )[0]
    }
}
