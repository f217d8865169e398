import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Outputs the offset at which each input of a concatenation begins in the result.
    static let concatOffset = OpDefinition(
        "ConcatOffset", "(concat_dim: int32, shape: N * shape_type) -> (offset: N * shape_type)", "N: int >= 2",
        "shape_type: {int32, int64} = int32"
    )
    .shape { c in
        for index in c.outputs.indices { c.setOutput(index, c.input(index + 1)) }
    }
    .noGradient()
    .kernel(
        ["shape_type": .index], gpu: ["shape_type": .index], hostMemory: ["concat_dim", "shape", "offset"]
    ) { request in
        try request.type("shape_type") == .int32 ? makeConcatOffset(Int32.self) : makeConcatOffset(Int64.self)
    }
}

private func makeConcatOffset<I: FixedWidthInteger & TensorElement>(_ type: I.Type) -> Kernel {
    .sync { context in
        let position = context.input(0)
        guard position.elementCount == 1, position.rank <= 1 else {
            throw Status.invalidArgument(
                "Concat dim tensor should be a scalar integer, but got shape \(position.shape)")
        }
        let count = context.inputCount - 1
        for index in 0..<count where context.shape(index + 1).rank != 1 {
            throw Status.invalidArgument(
                "input \(index + 1) should be a vector, but got shape \(context.shape(index + 1))")
        }
        let first = context.elements(1, I.self)
        let wanted = try position.integer("concat_dim")
        guard let axis = nonNegativeAxis(wanted, rank: first.count) else {
            throw Status.invalidArgument("Concat dim is out of range: \(wanted) vs. \(first.count)")
        }
        var offset: I = 0
        for index in 0..<count {
            let sizes = context.elements(index + 1, I.self)
            guard sizes.count == first.count else {
                throw Status.invalidArgument(
                    "input \(index) should contain \(first.count) elements, but got \(sizes.count)")
            }
            let offsets = try context.output(index, I.dtype, Shape(sizes.count)).mutableElements(I.self)
            for dimension in sizes.indices {
                guard dimension == axis || sizes[dimension] == first[dimension] else {
                    throw Status.invalidArgument(
                        "All dimensions except \(axis) must match. Input \(index) has shape "
                            + "[\(context.input(index + 1).summary(10))] and doesn't match input 0 with shape "
                            + "[\(context.input(1).summary(10))].")
                }
                offsets[dimension] = dimension == axis ? offset : 0
            }
            offset = offset &+ sizes[axis]
        }
    }
}
