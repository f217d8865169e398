import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Writes tensors, or slices of larger tensors, to a checkpoint with one shard.
    static let saveV2 = OpDefinition(
        "SaveV2", "(prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes) -> ()",
        "dtypes: list(type) >= 1"
    )
    .stateful()
    .shape { c in
        try c.requireRank(0, 0)
        try c.requireRank(1, 1)
        try c.requireRank(2, 1)
    }
    .kernel { _ in .sync(save) }
}

@Sendable private func save(_ context: borrowing KernelContext) throws {
    let request = try CheckpointRequest(context.input(0), context.input(1), context.input(2))
    let tensors = context.inputTensors.dropFirst(3)
    guard tensors.count == request.items.count else {
        throw Status.invalidArgument("Got \(request.items.count) tensor names but \(tensors.count) tensors.")
    }
    var writer = try BundleWriter(request.prefix)
    // Sorted by name, so that the same tensors give the same file, in whatever order the graph lists them.
    for (item, tensor) in zip(request.items, tensors).sorted(by: { $0.0.name < $1.0.name }) {
        if item.spec.bytes.isEmpty {
            try writer.add(item.name, tensor)
            continue
        }
        let place = try ShapeAndSlice(parsing: item.spec.description)
        guard place.sliceShape == tensor.shape else {
            throw Status.invalidArgument(
                "Slice in shape_and_slice specification does not match the shape of the tensor to  save: "
                    + "\(item.spec), tensor: \(tensor.shape)")
        }
        try writer.add(item.name, place, tensor)
    }
    try writer.finish()
}

/// The inputs that SaveV2 and RestoreV2 share: the checkpoint's prefix, and the name and slice of each tensor.
struct CheckpointRequest {
    let prefix: String
    /// Tensor names, and slice specifications such as `4 2 0,2:-`, which are empty for whole tensors.
    let items: [(name: ByteString, spec: ByteString)]

    init(_ prefix: Tensor, _ names: Tensor, _ specs: Tensor) throws {
        guard prefix.elementCount == 1 else {
            throw Status.invalidArgument(
                "Input prefix should have a single element, got \(prefix.elementCount) instead.")
        }
        guard names.rank == 1, specs.rank == 1 else {
            throw Status.invalidArgument(
                "Input tensor_names and shape_and_slices should be an 1-D tensors, got \(names.shape) and "
                    + "\(specs.shape) instead.")
        }
        guard names.elementCount == specs.elementCount else {
            throw Status.invalidArgument(
                "tensor_names and shape_and_slices have different number of elements: \(names.elementCount) vs. "
                    + "\(specs.elementCount)")
        }
        self.prefix = prefix.elements(ByteString.self)[0].description
        items = zip(names.elements(ByteString.self), specs.elements(ByteString.self)).map { ($0, $1) }
    }
}
