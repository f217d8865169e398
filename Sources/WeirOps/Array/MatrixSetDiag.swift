public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    static let matrixSetDiag = matrixSetDiagOp("MatrixSetDiag", "(input: T, diagonal: T) -> (output: T)", [])
    static let matrixSetDiagV2 = matrixSetDiagOp(
        "MatrixSetDiagV2", "(input: T, diagonal: T, k: int32) -> (output: T)", [])
    static let matrixSetDiagV3 = matrixSetDiagOp(
        "MatrixSetDiagV3", "(input: T, diagonal: T, k: int32) -> (output: T)", [alignAttributeDeclaration])

    /// Defines an op that replaces diagonals of matrices.
    private static func matrixSetDiagOp(_ name: String, _ signature: String, _ attributes: [String]) -> OpDefinition {
        OpDefinition(name, signature, attributes: ["T: type"] + attributes)
            .shape { c in
                try c.requireRank(0, atLeast: 2)
                try c.requireRank(1, atLeast: 1)
                c.setOutput(0, try matrixSetDiagShape(c))
            }
            .gradient { g in
                let align = Attributes(g.attributes["align"].map { ["align": $0] } ?? [:])
                let rest = Array(g.inputs.dropFirst(2))
                let around = g.ops(
                    name, [g.gradient(), g.op("ZerosLike", g.inputs[1])] + rest, attributes: align)[0]
                let part = name.replacing("SetDiag", with: "DiagPart")
                let padding = rest.isEmpty ? [] : [g.scalar(0, like: g.gradient())]
                return [around, g.ops(part, [g.gradient()] + rest + padding, attributes: align)[0]]
                    + rest.map { _ in nil }
            }
            .kernel(
                ["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]],
                hostMemory: signature.firstRange(of: "k:") == nil ? [] : ["k"], moving: matrixSetDiagKernel)
    }
}

/// Returns the shape of the matrices, merged with the batch dimensions of the diagonals.
private func matrixSetDiagShape(_ c: ShapeContext) throws -> PartialShape {
    let (shape, diagonal) = (c.input(0), c.input(1))
    guard let range = try c.diagonalRange(c.inputCount > 2 ? 2 : nil) else {
        guard let rank = shape.rank, let diagonalRank = diagonal.rank, diagonalRank < rank else { return shape }
        return try shape.merging(diagonal.dropLast().concatenating([nil, nil]))
    }
    let extra = range.lower == range.upper ? 1 : 0
    if let rank = shape.rank {
        try c.requireRank(1, rank - extra)
        if let rows = shape[-2], let columns = shape[-1] {
            try DiagonalBand(
                lower: range.lower, upper: range.upper, rows: rows, columns: columns,
                alignment: try DiagonalBand.Alignment(c.attributes)
            ).check(stop: "")
        }
    }
    guard let rank = diagonal.rank, rank + extra >= 2 else { return shape }
    return try shape.merging(diagonal.dropLast(2 - extra).concatenating([nil, nil]))
}

@Sendable private func matrixSetDiagKernel(_ request: KernelRequest) throws -> MovingBody {
    let alignment = try DiagonalBand.Alignment(request.attributes)
    let dtype = try request.type("T")
    let card = try CUDADiagonals.onCard(request)
    return { context, mover in
        let shape = context.shape(0)
        let diagonal = context.input(1)
        let range = context.inputCount > 2 ? try DiagonalBand.range(context.input(2)) : (lower: 0, upper: 0)
        guard shape.rank > 1 else {
            throw Status.invalidArgument("input must be at least 2-dim, received shape: \(shape)")
        }
        guard diagonal.rank > 0 else {
            throw Status.invalidArgument("diagonal must be at least 1-dim, received shape: \(diagonal.shape)")
        }
        let sizes = shape.dimensions
        let band = DiagonalBand(
            lower: range.lower, upper: range.upper, rows: sizes[sizes.count - 2], columns: sizes[sizes.count - 1],
            alignment: alignment)
        try band.check(stop: "")
        let batch = Array(sizes.dropLast(2))
        let expected = batch + (band.count == 1 ? [band.length] : [band.count, band.length])
        guard diagonal.shape.dimensions == expected else {
            let list = expected.map(String.init).joined(separator: ",")
            throw Status.invalidArgument(
                "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not equal "
                    + "to the longests diagonal in range [lower_diag_index:upper_diag_index].\nInput shape: \(shape)\n"
                    + "Diagonal shape: \(diagonal.shape)\nExpected diagonal shape: [\(list)]")
        }
        let output = try mover.outputChanging(0, context, dtype)
        guard diagonal.elementCount > 0 else { return }
        if mover.isOnCard, let card { return try card.toMatrices(band, diagonal, output, batch: wrappingProduct(batch), around: nil) }
        band.copyToMatrices(diagonal, output, batch: wrappingProduct(batch), context.pool)
    }
}

extension Output {
    /// Replaces the main diagonals of these matrices (`MatrixSetDiag`).
    public func matrixSetDiag(_ diagonal: Output) -> Output { builder.add("MatrixSetDiag", [self, diagonal])[0] }
}
