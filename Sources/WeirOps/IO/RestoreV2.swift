import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Reads tensors, or slices of them, from a checkpoint on the file system of the task that runs the node.
    static let restoreV2 = OpDefinition(
        "RestoreV2", "(prefix: string, tensor_names: string, shape_and_slices: string) -> (tensors: dtypes)",
        "dtypes: list(type) >= 1"
    )
    .stateful()
    .readingFiles()
    .shape(restoreShapes)
    .kernel { request in
        let dtypes = try request.types("dtypes")
        return .sync { context in try restore(context, dtypes) }
    }
}

@Sendable private func restoreShapes(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 0)
    try c.requireRank(1, 1)
    try c.requireRank(2, 1)
    // The shapes in the checkpoint are unknown before it is read, but a slice specification holds its shape.
    guard let specs = try? c.constant(2)?.array(of: ByteString.self), specs.count == c.outputs.count else { return }
    for (index, spec) in specs.enumerated() where spec.count > 0 {
        c.setOutput(index, PartialShape(try ShapeAndSlice(parsing: spec.description).sliceShape))
    }
}

private func restore(_ context: borrowing KernelContext, _ dtypes: [DType]) throws {
    let request = try CheckpointRequest(context.input(0), context.input(1), context.input(2))
    guard request.items.count == dtypes.count else {
        throw Status.invalidArgument("Got \(request.items.count) tensor names, but \(dtypes.count) expected dtypes.")
    }
    let reader = try BundleReader(request.prefix)
    // Sorted by name, so that index and data are read sequentially.
    for index in request.items.indices.sorted(by: { request.items[$0].name < request.items[$1].name }) {
        let (name, spec) = request.items[index]
        let found = try reader.entry(name).dtype
        guard found == dtypes[index] else {
            throw Status.invalidArgument(
                "tensor_name = \(name); expected dtype \(dtypes[index]) does not equal original dtype \(found)")
        }
        let tensor =
            spec.bytes.isEmpty
            ? try reader.tensor(name) : try reader.tensor(name, try ShapeAndSlice(parsing: spec.description))
        context.setOutput(index, tensor)
    }
}
