import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Computes the inverse of a permutation.
    static let invertPermutation = OpDefinition(
        "InvertPermutation", "(x: T) -> (y: T)", "T: {int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(0, 1)
        c.setOutput(0, c.input(0).rank == nil ? .vector(nil) : c.input(0))
    }
    .noGradient()
    .kernel(["T": .index], gpu: ["T": .index], hostMemory: ["x", "y"]) { request in
        try request.type("T") == .int32 ? makeInvert(Int32.self) : makeInvert(Int64.self)
    }
}

private func makeInvert<I: FixedWidthInteger & TensorElement>(_ type: I.Type) -> Kernel {
    .sync { context in
        let shape = context.shape(0)
        guard shape.rank == 1 else { throw Status.invalidArgument("invert_permutation expects a 1D vector.") }
        let order = context.elements(0, I.self)
        let inverse = try context.output(0, I.dtype, shape).mutableElements(I.self)
        inverse.update(repeating: -1)
        for (position, entry) in order.enumerated() {
            guard entry >= 0, entry < order.count else {
                throw Status.invalidArgument("\(entry) is not between 0 and \(order.count)")
            }
            guard inverse[Int(entry)] == -1 else {
                throw Status.invalidArgument("\(entry) is duplicated in the input.")
            }
            inverse[Int(entry)] = I(truncatingIfNeeded: position)
        }
    }
}
