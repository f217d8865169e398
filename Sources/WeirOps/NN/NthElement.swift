import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The element at index `n` of each row in sorted order.
    static let nthElement = OpDefinition(
        "NthElement", "(input: T, n: int32) -> (values: T)", "reverse: bool = false",
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
    )
    .shape { c in
        try c.requireRank(1, 0)
        try c.requireRank(0, atLeast: 1)
        guard let width = c.input(0)[-1], let n = try c.constant(1)?.integer("n") else {
            return c.setOutput(0, c.input(0).dropLast())
        }
        guard width > n else { throw Status.invalidArgument("Input must have last dimension > n = \(n) but is \(width)") }
        c.setOutput(0, c.input(0).dropLast())
    }
    .gradient(nthElementGradient)
    .kernel(["T": .real]) { try $0.real("T", NthElementVisitor(isReversed: try $0.bool("reverse"))) }
}

/// Returns the gradient. All elements that equal the result share it.
@Sendable private func nthElementGradient(_ g: GradientContext) throws -> [Output?] {
    let last = g.constant(Tensor(Int32(-1)))
    let isSelected = g.op("Equal", g.op("ExpandDims", g.outputs[0], last), g.inputs[0])
    let indicators = g.op("Cast", isSelected, attributes: ["DstT": .type(g.inputs[0].dtype)])
    let share = g.op("RealDiv", indicators, lastAxisSum(g, indicators))
    return [g.op("Mul", share, g.op("ExpandDims", g.gradient(), last)), nil]
}

private struct NthElementVisitor: RealVisitor {
    let isReversed: Bool
    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let isReversed = isReversed
        return .sync { context in
            let shape = context.shape(0), position = context.input(1)
            guard position.rank == 0 else { throw Status.invalidArgument("N must be scalar but has rank \(position.rank)") }
            let n = try position.integer("n")
            guard n >= 0 else { throw Status.invalidArgument("n must be non-negative but is \(n)") }
            guard shape.rank >= 1 else { throw Status.invalidArgument("Input must be at least rank 1 but is rank \(shape.rank)") }
            let width = shape[shape.rank - 1]
            guard width > n else { throw Status.invalidArgument("Input must have last dimension > n = \(n)") }
            let input = context.elements(0, E.self)
            let output = try context.output(0, E.dtype, Shape(shape.dimensions.dropLast())).mutableElements(E.self)
            context.pool.parallelFor(output.count, grain: max(1, (1 << 14) / width)) { rows in
                for row in rows {
                    var sorted = Array(input[row * width..<(row + 1) * width])
                    sorted.sort()
                    output[row] = sorted[isReversed ? width - 1 - n : n]
                }
            }
        }
    }
}
