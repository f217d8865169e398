import WeirTensor

/// How the operands of a program's steps are combined, for inputs of certain shapes.
final class ElementwiseShapes: Sendable {
    private let inputs: [Shape]
    /// Whether the program supports these shapes: every step has an operand of the full shape, and the other operand has the
    /// full shape, is one element, or is a row.
    let isSupported: Bool
    let shape: Shape
    let count: Int
    /// The number of elements of a row if some operand is a row; otherwise 0.
    let rowLength: Int
    /// The inputs that are rows.
    let rows: [Int]
    /// The values with one element for each element of the result: inputs of the full shape, and outputs.
    let perElementValues: [Int]
    let steps: [ScalarOperand]

    private enum Form { case full, scalar, row }

    init(_ program: ElementwiseProgram, _ context: borrowing KernelContext) {
        var shapes: [Shape] = []
        for index in 0..<program.inputCount { shapes.append(context.shape(index)) }
        inputs = shapes
        let full = shapes.max { ($0.elementCount, $0.rank) < ($1.elementCount, $1.rank) } ?? .scalar
        let width = full.rank > 0 ? full[full.rank - 1] : 1
        var forms: [Form?] = shapes.map { shape in
            if shape == full { return .full }
            guard shape.rank <= full.rank else { return nil }
            if shape.elementCount == 1 { return .scalar }
            return shape.elementCount == width && shape.rank > 0 && shape[shape.rank - 1] == width ? .row : nil
        }
        forms += [Form?](repeating: nil, count: program.valueCount - program.inputCount)
        var isSupported = true
        var steps: [ScalarOperand] = []
        for step in program.steps {
            let (left, right) = (forms[step.left], forms[step.right])
            var kind = ScalarOperand.both
            switch step.function.operands {
            case .same: isSupported = isSupported && left == .full && right == .full
            case .bias:
                isSupported =
                    isSupported && left == .full && full.rank > 1 && step.right < shapes.count
                    && shapes[step.right].rank == 1 && shapes[step.right][0] == width
                if right == .scalar { kind = .rightScalar }
            case .broadcast:
                isSupported = isSupported && left != nil && right != nil && (left == .full || right == .full)
                if left == .scalar { kind = .leftScalar } else if right == .scalar { kind = .rightScalar }
            }
            steps.append(kind)
            forms[step.result] = .full
        }
        self.isSupported = isSupported
        self.steps = steps
        shape = full
        count = full.elementCount
        rows = (0..<program.inputCount).filter { forms[$0] == .row }
        rowLength = rows.isEmpty ? 0 : width
        perElementValues = (0..<program.inputCount).filter { forms[$0] == .full } + program.outputs
    }

    func fits(_ context: borrowing KernelContext) -> Bool {
        for index in inputs.indices where context.shape(index) != inputs[index] { return false }
        return true
    }
}
