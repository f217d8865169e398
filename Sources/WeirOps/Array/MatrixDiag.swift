public import WeirGraph
import WeirKernels
import WeirTensor

/// The attribute `align` of the V3 ops.
let alignAttributeDeclaration = "align: {'LEFT_RIGHT', 'RIGHT_LEFT', 'LEFT_LEFT', 'RIGHT_RIGHT'} = 'RIGHT_LEFT'"

extension OpDefinition {
    /// Makes matrices with given main diagonals. Other elements are zero.
    static let matrixDiag = OpDefinition("MatrixDiag", "(diagonal: T) -> (output: T)", "T: type")
        .shape { c in
            try c.requireRank(0, atLeast: 1)
            if let rank = c.input(0).rank, rank > 0 { c.setOutput(0, c.input(0).concatenating([c.input(0)[-1]])) }
        }
        .gradient { g in [g.op("MatrixDiagPart", g.gradient())] }
        .kernel(["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]], moving: matrixDiagKernel)

    static let matrixDiagV2 = bandedMatrixDiag("MatrixDiagV2", aligned: false)
    static let matrixDiagV3 = bandedMatrixDiag("MatrixDiagV3", aligned: true)

    /// Defines an op that makes matrices with a given band of diagonals. Other elements have the padding value.
    private static func bandedMatrixDiag(_ name: String, aligned: Bool) -> OpDefinition {
        OpDefinition(
            name, "(diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T) -> (output: T)",
            attributes: ["T: type"] + (aligned ? [alignAttributeDeclaration] : [])
        )
        .shape(matrixDiagShape)
        .gradient { g in
            let zero = g.scalar(0, like: g.gradient())
            let align = g.attributes["align"].map { ["align": $0] } ?? [:]
            let part = g.op(
                aligned ? "MatrixDiagPartV3" : "MatrixDiagPartV2", g.gradient(), g.inputs[1], zero,
                attributes: Attributes(align))
            return [part, nil, nil, nil, nil]
        }
        .kernel(
            ["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]],
            hostMemory: ["k", "num_rows", "num_cols", "padding_value"], moving: matrixDiagKernel)
    }
}

@Sendable private func matrixDiagShape(_ c: inout ShapeContext) throws {
    let shape = c.input(0)
    try c.requireRank(0, atLeast: 1)
    for index in 2...4 { try c.requireRank(index, 0) }
    guard let rank = shape.rank, let range = try c.diagonalRange(1) else { return }
    let isSingle = range.lower == range.upper
    if !isSingle {
        try c.requireRank(0, atLeast: 2)
        if let count = shape[-2], count != range.upper - range.lower + 1 {
            throw Status.invalidArgument(
                "The number of rows of `diagonal` doesn't match the number of diagonals implied from `d_lower` and "
                    + "`d_upper`.\nnum_diags = \(range.upper - range.lower + 1), d_lower = \(range.lower), d_upper = "
                    + "\(range.upper), input_shape = \(shape), output_shape = ?")
        }
    }
    let batch = PartialShape(shape.dimensions.map { Array($0[..<(rank - (isSingle ? 1 : 2))]) })
    guard let length = shape[-1], let rows = c.integer(2), let columns = c.integer(3) else {
        return c.setOutput(0, batch.concatenating(.ofRank(2)))
    }
    let (height, width) = try matrixSizes(length, range, rows, columns)
    c.setOutput(0, batch.concatenating([height, width]))
}

/// Returns the size of matrices that hold diagonals of this length. A size of -1 is inferred from the diagonals.
/// - Throws: `invalidArgument` if the matrices are too small for the diagonals, or too large in both dimensions.
private func matrixSizes(
    _ length: Int, _ range: (lower: Int, upper: Int), _ rows: Int, _ columns: Int
) throws -> (Int, Int) {
    let least = (rows: length &- min(range.upper, 0), columns: length &+ max(range.lower, 0))
    guard rows == -1 || rows >= least.rows else { throw Status.invalidArgument("The number of rows is too small.") }
    guard columns == -1 || columns >= least.columns else {
        throw Status.invalidArgument("The number of columns is too small.")
    }
    if rows == -1, columns == -1 {
        let side = max(least.rows, least.columns)
        return (side, side)
    }
    let size = (rows == -1 ? least.rows : rows, columns == -1 ? least.columns : columns)
    guard size.0 == least.rows || size.1 == least.columns else {
        throw Status.invalidArgument(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper, and diagonal.")
    }
    return size
}

@Sendable private func matrixDiagKernel(_ request: KernelRequest) throws -> MovingBody {
    let alignment = try DiagonalBand.Alignment(request.attributes)
    let card = try CUDADiagonals.onCard(request)
    return { context, mover in
        let input = context.input(0)
        let isBanded = context.inputCount > 1
        let range = isBanded ? try DiagonalBand.range(context.input(1)) : (lower: 0, upper: 0)
        let sizes = input.shape.dimensions
        guard let length = sizes.last else {
            throw Status.invalidArgument("diagonal must be at least 1-dim, received shape: \(input.shape)")
        }
        guard range.lower <= range.upper else {
            throw Status.invalidArgument(
                "lower_diag_index must not be larger than upper_diag_index: \(range.lower) > \(range.upper)")
        }
        let isSingle = range.lower == range.upper
        guard isSingle || (sizes.count > 1 && sizes[sizes.count - 2] == range.upper - range.lower + 1) else {
            throw Status.invalidArgument(
                "The number of diagonals provided in the input does not match the lower_diag_index and "
                    + "upper_diag_index range.")
        }
        if isBanded {
            guard context.shape(2).rank == 0 else { throw Status.invalidArgument("num_rows must be a scalar") }
            guard context.shape(3).rank == 0 else { throw Status.invalidArgument("num_cols must be a scalar") }
        }
        let rows = isBanded ? try context.input(2).integer("num_rows") : -1
        let columns = isBanded ? try context.input(3).integer("num_cols") : -1
        let (height, width) = try matrixSizes(length, range, rows, columns)
        let batch = sizes.dropLast(isSingle ? 1 : 2)
        let output = try context.output(0, input.dtype, Shape(validating: Array(batch) + [height, width]))
        let padding = isBanded ? context.input(4) : try Tensor.zeros(input.dtype, .scalar)
        guard padding.rank == 0 else { throw Status.invalidArgument("padding_value must be a scalar") }
        guard input.elementCount > 0, output.elementCount > 0 else { return try mover.fill(output, with: padding) }
        let band = DiagonalBand(
            lower: range.lower, upper: range.upper, rows: height, columns: width, alignment: alignment)
        // `matrixSizes` has checked that the longest diagonal is as long as the rows of the input.
        if mover.isOnCard, let card { return try card.toMatrices(band, input, output, batch: wrappingProduct(batch), around: padding) }
        try mover.fill(output, with: padding)
        band.copyToMatrices(input, output, batch: wrappingProduct(batch), context.pool)
    }
}

extension Output {
    /// Makes matrices with these vectors as main diagonals. Other elements are zero (`MatrixDiag`).
    public func diagonalMatrix() -> Output { builder.add("MatrixDiag", [self])[0] }
}
