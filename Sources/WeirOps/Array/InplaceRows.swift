import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Ops that update rows of a tensor. They write to the input's memory if no other tensor shares it.

extension OpDefinition {
    static let inplaceUpdate = inplaceOp("InplaceUpdate", .update, gpu: DTypeSet(.bool))
    static let inplaceAdd = inplaceOp("InplaceAdd", .sum, gpu: [])
    static let inplaceSub = inplaceOp("InplaceSub", .difference, gpu: [])

    private static func inplaceOp(_ name: String, _ kind: ScatterKind, gpu: DTypeSet) -> OpDefinition {
        let types: DTypeSet = kind == .update ? .all : .numeric
        let make: KernelFactory.Make = { request in try rowKernel(request, kind) }
        return OpDefinition(name, "(x: T, i: int32, v: T) -> (y: T)", "T: type")
            .shape(ShapeFunctions.unchanged)
            .noGradient()
            .kernel(
                ["T": types], gpu: ["T": [.floating, DTypeSet(.int64, .int8, .uint64, .uint8), gpu]], make: make
            )
            .cuda { request in
                let dtype = try request.type("T")
                let device = try request.cudaDevice()
                let mover = ElementMover.card(try CUDAMover(device))
                let scatter = try CUDAScatter(device, dtype, indices: .int32, CUDAScatterKind(kind), wraps: true)
                return .sync { context in
                    let (rows, values) = (context.input(1), context.input(2))
                    try checkRows(context.shape(0), rows, values)
                    try scatter.run(rows, depth: 1, values, into: try mover.outputChanging(0, context, dtype))
                }
            }
            .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["x", "i", "v", "y"], make: make)
    }
}

private func rowKernel(_ request: KernelRequest, _ kind: ScatterKind) throws -> Kernel {
    let combine = try scatterCombiner(kind, request)
    let dtype = try request.type("T")
    return .sync { context in
        let (shape, rows, values) = (context.shape(0), context.input(1), context.input(2))
        try checkRows(shape, rows, values)
        // Row numbers wrap around: -1 is the last row.
        let places = Tensor(
            rows.elements(Int32.self).map { row in
                let remainder = Int(row) % max(1, shape[0])
                return Int64(remainder < 0 ? remainder + shape[0] : remainder)
            }, ofShape: Shape(rows.elementCount, 1))
        let indices = try NdIndices(scattering: places, values, into: shape, .fail)
        let source = context.input(0).firstByte
        let output = try context.output(0, dtype, shape, reusing: 0)
        if output.firstByte != source { output.copyElements(from: context.input(0)) }
        try combine(indices, values, output)
    }
}

/// Checks that there is one row of values for each row number, as wide as a row of x.
private func checkRows(_ shape: Shape, _ rows: Tensor, _ values: Tensor) throws {
    guard rows.rank == 1 else { throw Status.invalidArgument("i must be a vector. \(rows.shape)") }
    guard shape.rank == values.rank, shape.rank > 0 else {
        throw Status.invalidArgument(
            "x and v shape doesn't match (ranks differ): \(shape) vs. \(values.shape)")
    }
    for axis in 1..<shape.rank where shape[axis] != values.dimension(axis) {
        throw Status.invalidArgument(
            "x and v shape doesn't match at index \(axis) : \(shape) vs. \(values.shape)")
    }
    guard rows.elementCount == values.dimension(0) else {
        throw Status.invalidArgument(
            "i and x shape doesn't match at index 0: \(rows.shape) vs. \(values.shape)")
    }
    guard shape[0] > 0 || rows.elementCount == 0 else {
        throw Status.invalidArgument("x has no rows to change: \(shape)")
    }
}
