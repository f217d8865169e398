public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Extracts the main diagonals of matrices.
    static let matrixDiagPart = OpDefinition("MatrixDiagPart", "(input: T) -> (diagonal: T)", "T: type")
        .shape { c in try matrixDiagPartShape(&c, range: (0, 0)) }
        .gradient { g in
            let shape = g.inputs[0].shape
            if let rows = shape[-2], rows == shape[-1] { return [g.op("MatrixDiag", g.gradient())] }
            return [g.op("MatrixSetDiag", g.op("ZerosLike", g.inputs[0]), g.gradient())]
        }
        .kernel(["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]], moving: matrixDiagPartKernel)

    static let matrixDiagPartV2 = bandedMatrixDiagPart("MatrixDiagPartV2", aligned: false)
    static let matrixDiagPartV3 = bandedMatrixDiagPart("MatrixDiagPartV3", aligned: true)

    /// Defines an op that extracts a band of diagonals of matrices. Shorter diagonals are padded.
    private static func bandedMatrixDiagPart(_ name: String, aligned: Bool) -> OpDefinition {
        OpDefinition(
            name, "(input: T, k: int32, padding_value: T) -> (diagonal: T)",
            attributes: ["T: type"] + (aligned ? [alignAttributeDeclaration] : [])
        )
        .shape { c in
            try c.requireRank(2, 0)
            guard c.input(0).rank != nil else { return }
            try matrixDiagPartShape(&c, range: try c.diagonalRange(1))
        }
        .gradient { g in
            let align = Attributes(g.attributes["align"].map { ["align": $0] } ?? [:])
            let shape = g.inputs[0].shape
            if let rows = shape[-2], let columns = shape[-1] {
                let zero = g.scalar(0, like: g.gradient())
                let whole = g.op(
                    aligned ? "MatrixDiagV3" : "MatrixDiagV2", g.gradient(), g.inputs[1], g.integer(rows),
                    g.integer(columns), zero, attributes: align)
                return [whole, nil, nil]
            }
            let whole = g.op(
                aligned ? "MatrixSetDiagV3" : "MatrixSetDiagV2", g.op("ZerosLike", g.inputs[0]), g.gradient(),
                g.inputs[1], attributes: align)
            return [whole, nil, nil]
        }
        .kernel(
            ["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]],
            hostMemory: ["k", "padding_value"], moving: matrixDiagPartKernel)
    }
}

private func matrixDiagPartShape(_ c: inout ShapeContext, range: (lower: Int, upper: Int)?) throws {
    try c.requireRank(0, atLeast: 2)
    guard let dimensions = c.input(0).dimensions, let range else { return }
    let batch = PartialShape(Array(dimensions.dropLast(2)))
    let isSingle = range.lower == range.upper
    guard let rows = c.input(0)[-2], let columns = c.input(0)[-1] else {
        return c.setOutput(0, batch.concatenating(isSingle ? [nil] : [range.upper - range.lower + 1, nil]))
    }
    let band = DiagonalBand(
        lower: range.lower, upper: range.upper, rows: rows, columns: columns,
        alignment: try DiagonalBand.Alignment(c.attributes))
    try band.check()
    c.setOutput(0, batch.concatenating(isSingle ? [band.length] : [band.count, band.length]))
}

@Sendable private func matrixDiagPartKernel(_ request: KernelRequest) throws -> MovingBody {
    let alignment = try DiagonalBand.Alignment(request.attributes)
    let card = try CUDADiagonals.onCard(request)
    return { context, mover in
        let input = context.input(0)
        let isBanded = context.inputCount > 1
        let range = isBanded ? try DiagonalBand.range(context.input(1)) : (lower: 0, upper: 0)
        guard input.rank > 1 else {
            throw Status.invalidArgument("input must be at least 2-dim, received shape: \(input.shape)")
        }
        let sizes = input.shape.dimensions
        let band = DiagonalBand(
            lower: range.lower, upper: range.upper, rows: sizes[sizes.count - 2], columns: sizes[sizes.count - 1],
            alignment: alignment)
        try band.check()
        let batch = sizes.dropLast(2)
        let rows = band.count == 1 ? [band.length] : [band.count, band.length]
        let output = try context.output(0, input.dtype, Shape(validating: Array(batch) + rows))
        let padding = isBanded ? context.input(2) : try Tensor.zeros(input.dtype, .scalar)
        guard padding.elementCount == 1 else { throw Status.invalidArgument("padding_value must be a scalar") }
        if mover.isOnCard, let card, output.elementCount > 0 { return try card.toRows(band, input, output, batch: wrappingProduct(batch), around: padding) }
        if isBanded { try mover.fill(output, with: padding) }
        guard input.elementCount > 0, output.elementCount > 0 else { return }
        band.copyToRows(input, output, batch: wrappingProduct(batch), context.pool)
    }
}

extension Output {
    /// Extracts the main diagonals of matrices (`MatrixDiagPart`).
    public func matrixDiagonal() -> Output { builder.add("MatrixDiagPart", [self])[0] }
}
